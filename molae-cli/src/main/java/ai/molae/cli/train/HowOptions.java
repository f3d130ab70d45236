package ai.molae.cli.train;

import ai.molae.cli.model.TokenizerChoice;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.options.TrainingPrecision;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.TrainingConfig;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How it is trained. */
final class HowOptions {

    private static final int DEFAULT_SEQUENCE = 256;
    private static final int EVALUATIONS = 8;
    private static final int EVALUATION_TOKENS = 16_384;

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "100",
            description = "Optimizer steps (default: ${DEFAULT-VALUE}).")
    int steps;

    @Option(
            names = "--batch",
            paramLabel = "B",
            defaultValue = "4",
            description = "Windows of a step (default: ${DEFAULT-VALUE}).")
    int batch;

    @Option(
            names = "--sequence",
            paramLabel = "S",
            description = "Tokens of a window (default: " + DEFAULT_SEQUENCE + ", or the model's longest).")
    @Nullable
    Integer sequence;

    @Option(
            names = "--lr",
            paramLabel = "LR",
            description = "Peak learning rate (default: 2e-5 for full and experts, 1e-4 for router, 2e-4 for lora).")
    @Nullable
    Double learningRate;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            description =
                    "Steps until the peak; then half a cosine down to a tenth (default: a tenth of the steps, at most 20).")
    @Nullable
    Integer warmup;

    @Option(
            names = "--precision",
            converter = TrainingPrecision.class,
            completionCandidates = TrainingPrecision.class,
            defaultValue = "FLOAT32",
            description = "Arithmetic of the products: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Precision precision = Precision.FLOAT32;

    @Option(
            names = "--seed",
            defaultValue = "1",
            description = "Of the order of the data, and of adapters (default: ${DEFAULT-VALUE}).")
    int seed;

    @Option(
            names = "--validation-share",
            paramLabel = "P",
            defaultValue = "0.05",
            description = "Part of the text that is not trained on, to measure with (default: ${DEFAULT-VALUE}).")
    double validationShare;

    @Option(
            names = "--dtype",
            paramLabel = "TYPE",
            description = "Element type to save: ${COMPLETION-CANDIDATES} (default: the checkpoint's).")
    @Nullable
    SavedType dtype;

    @Option(
            names = "--tokenizer",
            defaultValue = "file",
            description =
                    "file for the checkpoint's tokenizer.json, bytes for a token each byte (default: ${DEFAULT-VALUE}).")
    TokenizerChoice tokenizer = TokenizerChoice.FILE;

    @Option(names = "--quiet", description = "No progress.")
    boolean quiet;

    /** Tokens of a window. */
    int sequence(int longest) {
        return sequence == null
                ? Math.min(DEFAULT_SEQUENCE, longest)
                : Ranges.between("--sequence", sequence, 1, longest);
    }

    /** The trainer's configuration for windows of a length. */
    TrainingConfig config(int window, TuningOptions.Mode mode) {
        Ranges.positive("--steps", steps);
        Ranges.positive("--batch", batch);
        double peak = learningRate == null ? mode.learningRate : Ranges.finitePositive("--lr", learningRate);
        int warmupSteps = warmup == null ? Math.min(20, steps / 10) : Ranges.between("--warmup", warmup, 0, steps);
        long stepTokens = (long) batch * window;
        return TrainingConfig.builder()
                .setSteps(steps)
                .setBatchSize(batch)
                .optSchedule(LearningRateSchedule.warmupCosine(
                        peak, peak / 10, warmupSteps * stepTokens, steps * stepTokens))
                // Weight decay would pull what was learned before towards zero.
                .optOptimizer(AdamWSpec.builder().optWeightDecay(0).build())
                .optEvaluation(Math.max(1, steps / EVALUATIONS), (int) Math.max(1, EVALUATION_TOKENS / stepTokens))
                .build();
    }
}
