package ai.molae.cli.train;

import ai.molae.djl.train.CheckpointPolicy;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** When checkpoints are written, and which are kept. */
final class CheckpointOptions {

    @Option(
            names = "--checkpoint-steps",
            paramLabel = "N",
            defaultValue = "0",
            description = "Write a checkpoint every so many steps; 0 for none (default: ${DEFAULT-VALUE}).")
    long steps;

    @Option(
            names = "--checkpoint-minutes",
            paramLabel = "M",
            defaultValue = "30",
            description = "Write one when so much time has passed; 0 for never (default: ${DEFAULT-VALUE}).")
    double minutes = 30;

    @Option(
            names = "--keep",
            paramLabel = "N",
            defaultValue = "2",
            description =
                    "Keep the last so many, and the one with the lowest validation loss (default: ${DEFAULT-VALUE}).")
    int keep = 2;

    @Option(
            names = "--keep-every",
            paramLabel = "N",
            description = "Keep those of multiples of so many steps for good.")
    @Nullable
    Long keepEvery;

    /** The policy. */
    CheckpointPolicy policy() {
        if (steps < 0 || !(minutes >= 0 && minutes < 1e9) || keep < 1 || (keepEvery != null && keepEvery < 0)) {
            throw new IllegalArgumentException(
                    "--checkpoint-steps, --checkpoint-minutes and --keep-every must be at least 0"
                            + " and --keep at least 1, got " + steps + ", " + minutes + ", "
                            + (keepEvery == null ? "none" : keepEvery) + " and " + keep);
        }
        return new CheckpointPolicy(
                steps, Duration.ofMillis(Math.round(minutes * 60_000)), keep, keepEvery == null ? 0 : keepEvery, true);
    }
}
