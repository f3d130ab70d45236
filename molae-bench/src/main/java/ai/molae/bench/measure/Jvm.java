package ai.molae.bench.measure;

/** Options of the JVMs that are measured. */
public final class Jvm {

    /** The reference in plain Java holds the weights that it needs; what is measured does not need the heap. */
    public static final String HEAP = "-Xmx4g";

    /** Peers read their weights out of direct buffers, and weights come to the engine through them. */
    public static final String DIRECT = "-XX:MaxDirectMemorySize=4g";

    /** The JVM's own native memory must not pass for the library's. */
    public static final String TRACKING = "-XX:NativeMemoryTracking=summary";

    private Jvm() {}
}
