package ai.molae.bench.results;

import static ai.molae.bench.measure.Metric.BANDWIDTH;
import static ai.molae.bench.measure.Metric.COUNTED_FLOPS;
import static ai.molae.bench.measure.Metric.EXPECTED_PEAK_BYTES;
import static ai.molae.bench.measure.Metric.FLOPS;
import static ai.molae.bench.measure.Metric.PEAK_BYTES;
import static ai.molae.bench.measure.Metric.PEAK_FLOPS;
import static ai.molae.bench.measure.Metric.READ_BYTES;
import static ai.molae.bench.measure.Metric.RETAINED_BYTES;
import static ai.molae.bench.measure.Metric.TOKENS;
import static ai.molae.bench.measure.Metric.WEIGHT_BYTES;

import ai.molae.cost.Roofline;
import java.util.function.ToDoubleFunction;

/** What follows from a result's time and metrics. NaN where something it needs was not measured. */
public enum Derived {
    /** FLOPs of the cost model by the time they took. */
    GFLOPS("gflops", "GFLOP/s", result -> result.metric(FLOPS) / result.milliseconds() / 1e6),
    /** FLOPs of the cost model for one token. */
    FLOPS_PER_TOKEN("flops.per.token", "FLOPs", result -> result.metric(FLOPS) / result.metric(TOKENS)),
    /** The time of one token. */
    TOKEN_MILLISECONDS("time.per.token", "ms", result -> result.milliseconds() / result.metric(TOKENS)),
    /** Tokens in a second. */
    TOKENS_PER_SECOND("tokens.per.second", "1/s", result -> result.metric(TOKENS) / result.milliseconds() * 1e3),
    /** FLOPs per byte of weights that is read. */
    INTENSITY("intensity", "FLOPs/B", Derived::intensity),
    /** The least time by the ceilings measured in the same process, {@link Roofline#seconds}. */
    FLOOR_MILLISECONDS("floor", "ms", Derived::floorMilliseconds),
    /**
     * The least time as a share of the time; 1 is the roof, more says that weights came out of a cache or the machine slowed down. Not known for
     * implementations with a library of their own, whose threads disturb the ceilings: {@link Result#hasOwnLibrary()}.
     */
    ROOFLINE_SHARE("roofline.share", "", Derived::rooflineShare),
    /**
     * Native memory retained by what was built, against the cost model's bytes of the weights. Not stated for the training of models, which retains gradients and
     * the optimizer's moments as well.
     */
    MEMORY_RATIO("memory.measured.expected", "", Derived::memoryRatio),
    /** Native memory at its peak, against what the cost model expects. */
    PEAK_RATIO("peak.measured.expected", "", result -> result.metric(PEAK_BYTES) / result.metric(EXPECTED_PEAK_BYTES)),
    /** FLOPs counted by the operators of a profiled run, against the cost model's. */
    FLOPS_RATIO("flops.counted.model", "", result -> result.metric(COUNTED_FLOPS) / result.metric(FLOPS)),
    /** Bytes of weights read for one token. */
    READ_BYTES_PER_TOKEN("bytes.read.per.token", "B", result -> result.metric(READ_BYTES) / result.metric(TOKENS));

    private final String key;
    private final String unit;

    @SuppressWarnings("ImmutableEnumChecker") // functions without state
    private final ToDoubleFunction<Result> formula;

    Derived(String key, String unit, ToDoubleFunction<Result> formula) {
        this.key = key;
        this.unit = unit;
        this.formula = formula;
    }

    /**
     * Its name in tables for programs.
     *
     * @return a short name with dots
     */
    public String key() {
        return key;
    }

    /**
     * Its unit.
     *
     * @return for example ms; empty for a ratio
     */
    public String unit() {
        return unit;
    }

    /**
     * Its value.
     *
     * @param result what was measured
     * @return NaN if that is not known, or not finite
     */
    public double of(Result result) {
        double value = formula.applyAsDouble(result);
        return Double.isFinite(value) ? value : Double.NaN;
    }

    private static double intensity(Result result) {
        double flops = result.metric(FLOPS);
        double bytes = result.metric(READ_BYTES);
        return flops >= 0 && bytes > 0 ? Roofline.arithmeticIntensity(flops, bytes) : Double.NaN;
    }

    private static double rooflineShare(Result result) {
        return result.hasOwnLibrary() ? Double.NaN : floorMilliseconds(result) / result.milliseconds();
    }

    private static double memoryRatio(Result result) {
        return result.benchmarkClass().equals("ModelTraining")
                ? Double.NaN
                : result.metric(RETAINED_BYTES) / result.metric(WEIGHT_BYTES);
    }

    private static double floorMilliseconds(Result result) {
        double peak = result.metric(PEAK_FLOPS);
        double bandwidth = result.metric(BANDWIDTH);
        double flops = result.metric(FLOPS);
        double bytes = result.metric(READ_BYTES);
        return peak > 0 && bandwidth > 0 && flops >= 0 && bytes >= 0
                ? 1e3 * new Roofline(peak, bandwidth).seconds(flops, bytes)
                : Double.NaN;
    }
}
