package ai.molae.bench.compare;

/** What is compared. Of the ceilings less is worse, of everything else more. */
public enum Quantity {
    /** Milliseconds of a call. */
    TIME("time", "ms", 0),
    /**
     * Milliseconds of a call over those that the machine's ceilings, measured in the same process, allow: a machine that was slower for a while changes the time, not
     * this.
     */
    TIME_OVER_ROOFLINE("time over roofline", "x", 0),
    /** Native bytes that a layer or model keeps. */
    RETAINED_BYTES("retained native memory", "B", Quantity.MEBIBYTE),
    /** Native bytes at the peak. */
    PEAK_BYTES("peak native memory", "B", Quantity.MEBIBYTE),
    /** Bytes allocated on the Java heap per call. */
    HEAP_BYTES("Java heap allocated per call", "B", 0),
    /** FLOP/s of large products by molae's kernels, measured in the trial's process. */
    PRODUCTS("ceiling of products", "FLOP/s", 0),
    /** Bytes per second of a large sum, measured there too. */
    READING("ceiling of reading", "B/s", 0);

    /** Libraries and Java's compiler allocate beside what is measured. */
    private static final double MEBIBYTE = 0x1p20;

    private final String title;
    private final String unit;
    private final double negligible;

    Quantity(String title, String unit, double negligible) {
        this.title = title;
        this.unit = unit;
        this.negligible = negligible;
    }

    /**
     * What no difference of is ever marked, however large a share it is.
     *
     * @return a mebibyte of native memory, and 0 of everything else
     */
    public double negligible() {
        return negligible;
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
