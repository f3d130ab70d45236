package ai.molae.bench.measure;

/** What a trial reports beside its time; {@link #key()} is the name among JMH's secondary metrics. Values are per call where that makes sense. */
public enum Metric {
    /** Tokens of a call. */
    TOKENS("tokens", "#/op"),
    /** FLOPs of a call by the cost model. */
    FLOPS("flops", "#/op"),
    /** FLOPs of a call, counted from the shapes of the operators of a profiled run. */
    COUNTED_FLOPS("flops.counted", "#/op"),
    /** Parameters of the layer or model. */
    PARAMETERS("parameters", "#"),
    /** Bytes of the weights by the cost model. */
    WEIGHT_BYTES("bytes.weights", "B"),
    /** Native bytes in use after set-up, above those before, without the benchmark's inputs. See {@link Trial#built()}. */
    RETAINED_BYTES("bytes.retained", "B"),
    /** The most native bytes that the cost model expects in use during a call: weights, activations, gradients. */
    EXPECTED_PEAK_BYTES("bytes.peak.expected", "B"),
    /** The most native bytes in use during warm-up, above those before set-up, without the benchmark's inputs. */
    PEAK_BYTES("bytes.peak", "B"),
    /** The most resident memory during measurement, above that before set-up, without the benchmark's inputs; the Java heap included. */
    RESIDENT_PEAK_BYTES("bytes.resident.peak", "B"),
    /** Native bytes that a call leaves behind: in use after the last measured call, above those before the first. */
    LEAKED_BYTES("bytes.leaked", "B/op"),
    /** Bytes that a call allocates on the Java heap, in the benchmark's thread. */
    HEAP_BYTES("bytes.heap", "B/op"),
    /** Bytes of weights that a call reads, by the cost model. */
    READ_BYTES("bytes.read", "B/op"),
    /** FLOP/s of large products in this precision, measured in the same process between the iterations. */
    PEAK_FLOPS("ceiling.flops", "#/s"),
    /** Bytes per second of reading large arrays, measured in the same process between the iterations. */
    BANDWIDTH("ceiling.bandwidth", "B/s"),
    /** Largest difference to the reference, as a share of the reference's largest value. */
    ERROR("error", "#");

    private final String key;
    private final String unit;

    Metric(String key, String unit) {
        this.key = key;
        this.unit = unit;
    }

    /**
     * Its name in JMH's results.
     *
     * @return a short name with dots
     */
    public String key() {
        return key;
    }

    /**
     * Its unit.
     *
     * @return for example B
     */
    public String unit() {
        return unit;
    }
}
