package ai.molae.cli.train;

import ai.molae.cli.options.Ranges;
import ai.molae.cli.options.TrainingPrecision;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.TrainingConfig;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How the machine does it, what is measured meanwhile, and what is saved. */
final class ExecutionOptions {

    private static final int EVALUATIONS = 8;
    private static final int EVALUATION_TOKENS = 16_384;

    @Option(
            names = "--precision",
            converter = TrainingPrecision.class,
            completionCandidates = TrainingPrecision.class,
            defaultValue = "FLOAT32",
            description = "Arithmetic of the products: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Precision precision = Precision.FLOAT32;

    @Option(
            names = "--recompute",
            paramLabel = "k",
            defaultValue = "0",
            description =
                    "Keep only the inputs of every k layers for the backward pass and compute them again: less memory, more time (default: ${DEFAULT-VALUE}, keep all).")
    int recompute;

    @Option(
            names = "--dropout",
            paramLabel = "p",
            defaultValue = "0",
            description =
                    "Probability of zeroing an element of what layers add to the residual stream (default: ${DEFAULT-VALUE}).")
    double dropout;

    @Option(names = "--no-memory-check", description = "Begin even if the memory will not suffice by estimate.")
    boolean noMemoryCheck;

    @Option(
            names = "--seed",
            defaultValue = "1",
            description =
                    "Of a new model, the order of the data, what is held back, adapters and dropout (default: ${DEFAULT-VALUE}).")
    int seed = 1;

    @Option(
            names = "--evaluate-every",
            paramLabel = "N",
            description = "Steps between evaluations (default: an eighth of the steps); 0 for the end only.")
    @Nullable
    Long evaluateEvery;

    @Option(
            names = "--divergence-margin",
            paramLabel = "NATS",
            defaultValue = "3",
            description = "How far the smoothed loss may rise above its lowest; 0 for any (default: ${DEFAULT-VALUE}).")
    double divergenceMargin = 3;

    @Option(names = "--no-tensorboard", description = "Write no files for TensorBoard.")
    boolean noTensorBoard;

    @Option(
            names = "--dtype",
            paramLabel = "TYPE",
            description =
                    "Element type of the saved model: ${COMPLETION-CANDIDATES} (default: the checkpoint's, else float32).")
    @Nullable
    SavedType dtype;

    /** Adds what these options say. */
    void configure(TrainingConfig.Builder config, ScheduleOptions.Plan plan, long passTokens) {
        if (recompute < 0) {
            throw new IllegalArgumentException("--recompute must be at least 0, got " + recompute);
        }
        if (!(dropout >= 0 && dropout < 1)) {
            throw new IllegalArgumentException("--dropout must be at least 0 and less than 1, got " + dropout);
        }
        long every = evaluateEvery == null ? Math.max(1, plan.expectedSteps() / EVALUATIONS) : evaluateEvery;
        if (every < 0) {
            throw new IllegalArgumentException("--evaluate-every must be at least 0, got " + every);
        }
        config.optEvaluation(every, (int) Math.max(1, EVALUATION_TOKENS / Ranges.positive("--sequence", passTokens)))
                .optDivergenceMargin(divergenceMargin)
                .optSeed(seed)
                .optMeasurePeak(true)
                .optCheckMemory(!noMemoryCheck);
    }
}
