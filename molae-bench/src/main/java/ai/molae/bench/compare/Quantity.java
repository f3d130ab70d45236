package ai.molae.bench.compare;

/** What is compared. Of the ceilings less is worse, of everything else more. */
public enum Quantity {
    /** Milliseconds of a call. */
    TIME("time", "ms"),
    /**
     * Milliseconds of a call over those that the machine's ceilings, measured in the same process, allow: a machine that was slower for a while changes the time, not
     * this.
     */
    TIME_OVER_ROOFLINE("time over roofline", "x"),
    /** Native bytes that a layer or model keeps. */
    RETAINED_BYTES("retained native memory", "B"),
    /** Native bytes at the peak. */
    PEAK_BYTES("peak native memory", "B"),
    /** Bytes allocated on the Java heap per call. */
    HEAP_BYTES("Java heap allocated per call", "B"),
    /** FLOP/s of large products by molae's kernels, measured in the trial's process. */
    PRODUCTS("ceiling of products", "FLOP/s"),
    /** Bytes per second of a large sum, measured there too. */
    READING("ceiling of reading", "B/s");

    private final String title;
    private final String unit;

    Quantity(String title, String unit) {
        this.title = title;
        this.unit = unit;
    }

    /**
     * Its name in tables.
     *
     * @return a few words
     */
    public String title() {
        return title;
    }

    /**
     * Its unit.
     *
     * @return for example ms
     */
    public String unit() {
        return unit;
    }

    /**
     * Whether it says something about the machine and the kernels, not about a layer or model. Less of it is worse.
     *
     * @return true for {@link #PRODUCTS} and {@link #READING}
     */
    public boolean isCeiling() {
        return this == PRODUCTS || this == READING;
    }
}
