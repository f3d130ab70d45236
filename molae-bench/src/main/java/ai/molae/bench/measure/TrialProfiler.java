package ai.molae.bench.measure;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.OptionalLong;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;
import org.openjdk.jmh.runner.IterationType;

/**
 * Adds the {@link Trial}'s facts and the memory of the process to JMH's results, as secondary metrics named by {@link Metric#key()}.
 *
 * <p>{@link Metric#PEAK_BYTES} is looked for every two milliseconds in iterations that warm up, because looking takes time; if there are none,
 * in the measured ones. They must have several whole calls. {@link Metric#RESIDENT_PEAK_BYTES} is kept by the system, at no cost, and begins anew before every
 * measured iteration; it lacks where there is no {@code /proc}. {@link Metric#LEAKED_BYTES} and
 * {@link Metric#RETAINED_BYTES} come with the last iteration only.
 */
public final class TrialProfiler implements InternalProfiler {

    private long peak;
    private OptionalLong beforeMeasured = OptionalLong.empty();
    private long measuredCalls;

    /** Made by JMH. */
    public TrialProfiler() {}

    @Override
    public String getDescription() {
        return "FLOPs, bytes and ceilings of the trial; native memory at peak, retained and leaked";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
        boolean warmup = iteration.getType() == IterationType.WARMUP;
        if (!warmup && measuredCalls == 0) {
            beforeMeasured = ProcessMemory.settled();
        }
        Trial.beginResidentPeak(!warmup);
        if (warmup || benchmark.getWarmup().getCount() == 0) {
            Trial.watch();
        }
    }

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        Trial.putResidentPeak();
        peak = Math.max(peak, Trial.watched());
        if (peak > 0) {
            Trial.putPeak(peak);
        }
        long calls = result.getMetadata().getAllOps();
        if (iteration.getType() == IterationType.MEASUREMENT) {
            measuredCalls += calls;
        }
        if (calls > 0 && Trial.heapOfIteration() > 0) {
            Trial.put(Metric.HEAP_BYTES, (double) Trial.heapOfIteration() / calls);
        }
        OptionalLong atEnd = Trial.inUseAtEnd();
        if (atEnd.isPresent() && beforeMeasured.isPresent() && measuredCalls > 0) {
            long left = atEnd.getAsLong() - beforeMeasured.getAsLong();
            Trial.put(Metric.LEAKED_BYTES, (double) left / measuredCalls);
        }
        List<Result<?>> results = new ArrayList<>();
        Trial.facts().forEach((metric, value) -> {
            if (metric != Metric.RETAINED_BYTES || atEnd.isPresent()) {
                results.add(new ScalarResult(metric.key(), value, metric.unit(), AggregationPolicy.AVG));
            }
        });
        return results;
    }
}
