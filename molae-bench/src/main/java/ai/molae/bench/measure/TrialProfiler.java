package ai.molae.bench.measure;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;
import org.openjdk.jmh.runner.IterationType;

/** Adds the {@link Trial}'s facts and the memory of the process to JMH's results, as secondary metrics named by {@link Metric#key()}. */
public final class TrialProfiler implements InternalProfiler {

    private long peak;

    /** Made by JMH. */
    public TrialProfiler() {}

    @Override
    public String getDescription() {
        return "FLOPs, bytes and ceilings of the trial; native memory at peak and retained";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
        // The watcher takes time, so it looks on while the benchmark warms up.
        if (iteration.getType() == IterationType.WARMUP) {
            Trial.watch();
        }
    }

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        peak = Math.max(peak, Trial.watched());
        if (peak > 0) {
            Trial.put(Metric.PEAK_BYTES, (double) (peak - Trial.nativeBaseline()));
        }
        List<Result<?>> results = new ArrayList<>();
        Trial.facts()
                .forEach((metric, value) ->
                        results.add(new ScalarResult(metric.key(), value, metric.unit(), AggregationPolicy.AVG)));
        return results;
    }
}
