package ai.molae.bench.workload;

/** How large a layer of a published model may be here. */
public enum Scale {
    /** For tests: layers of at most two million parameters. Narrower ones would have less coordinates than LatentMoE has experts. */
    TINY(2_000_000),
    /** At most 160 million parameters: more than the caches of a desktop processor hold, even in int8. */
    SMALL(160_000_000),
    /** At most 320 million parameters: 1.3 GB of float32. */
    LARGE(320_000_000);

    private final long mostParameters;

    Scale(long mostParameters) {
        this.mostParameters = mostParameters;
    }

    /**
     * The limit.
     *
     * @return parameters that a standard layer has at most
     */
    public long mostParameters() {
        return mostParameters;
    }
}
