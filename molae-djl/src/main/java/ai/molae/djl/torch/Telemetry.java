package ai.molae.djl.torch;

/**
 * DJL tells its makers of every start on some cloud machines, unless {@code OPT_OUT_TRACKING} is {@code true} in the environment or among the
 * system properties. molae sets the property before it first touches DJL's engine or tokenizer, if the user has set neither: nothing of molae
 * uses the network unless asked. An application that starts the engine before it has used any class of molae, with
 * {@code NDManager.newBaseManager()} for instance, calls {@link #optOut()} first or sets the property itself.
 */
public final class Telemetry {

    /** What DJL reads, in the environment first. */
    public static final String OPT_OUT = "OPT_OUT_TRACKING";

    private Telemetry() {}

    /** Opts out, unless the user has decided, either way. */
    public static void optOut() {
        if (System.getenv(OPT_OUT) == null && System.getProperty(OPT_OUT) == null) {
            System.setProperty(OPT_OUT, "true");
        }
    }
}
