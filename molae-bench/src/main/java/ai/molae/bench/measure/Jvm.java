package ai.molae.bench.measure;

/** Options of the JVMs that are measured. */
public final class Jvm {

    /** The reference in plain Java holds the weights that it needs; what is measured does not need the heap. */
    public static final String HEAP = "-Xmx4g";

    /** Peers read their weights out of direct buffers, and weights come to the engine through them. */
    public static final String DIRECT = "-XX:MaxDirectMemorySize=4g";

    /** The JVM's own native memory must not pass for the library's. */
    public static final String TRACKING = "-XX:NativeMemoryTracking=summary";

    /**
     * The Java code around the products is thin, and its first compiler makes it as fast as it will be here; the second one would keep a core from libtorch for
     * many seconds, in which calls of a millisecond take up to twice as long.
     */
    public static final String COMPILER = "-XX:TieredStopAtLevel=1";

    private Jvm() {}
}
