package ai.molae.cli;

import ai.molae.cli.options.Ranges;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What {@code molae plan --measure} measures. */
final class MeasureOptions {

    /** Large enough that no desktop's cache holds the weights, small enough for all presets in a minute. */
    static final long DEFAULT_PARAMETERS = 100_000_000;

    static final int DEFAULT_PREFILL = 512;
    private static final int MOST_TOKENS = 1 << 16;

    @Option(
            names = "--measure",
            description =
                    "Build a MoE layer and its MoLAE here, scaled to memory, and print predicted beside measured times.")
    private boolean measure;

    @Option(
            names = "--scale-parameters",
            paramLabel = "P",
            description = "Parameters that a measured layer has at most (default: " + DEFAULT_PARAMETERS + ").")
    private @Nullable Long scaleParameters;

    /** Whether to measure. */
    boolean measures() {
        if (!measure && scaleParameters != null) {
            throw new IllegalArgumentException(
                    "--scale-parameters is the size of what --measure builds; add that, or leave it away");
        }
        return measure;
    }

    long parameters() {
        return scaleParameters == null ? DEFAULT_PARAMETERS : Ranges.positive("--scale-parameters", scaleParameters);
    }

    static int tokens(String flag, long given) {
        return Ranges.between(flag, (int) Math.min(given, Integer.MAX_VALUE), 1, MOST_TOKENS);
    }

    static void refuse(boolean given, String flag, String why) {
        if (given) {
            throw new IllegalArgumentException("--measure " + why + "; leave " + flag + " away");
        }
    }
}
