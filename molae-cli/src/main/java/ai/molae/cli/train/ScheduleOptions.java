package ai.molae.cli.train;

import ai.molae.cli.options.Ranges;
import ai.molae.djl.train.LearningRateSchedule;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How long is trained, in which batches, and with which learning rate. */
final class ScheduleOptions {

    private static final double DEFAULT_DECAY_SHARE = 0.2;

    /** How the learning rate falls after the warm-up. */
    enum Shape {
        /** Half a cosine. */
        COSINE,
        /** A straight line. */
        LINEAR,
        /** Not at all. */
        CONSTANT,
        /** Constant, then one minus a square root. */
        WSD;

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(names = "--steps", paramLabel = "N", description = "Optimizer steps (default: the preset's, else 100).")
    @Nullable
    Long steps;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            description = "End after so many tokens, or after --steps if that is given too and comes first.")
    @Nullable
    Long tokens;

    @Option(names = "--batch", paramLabel = "B", description = "Windows of a pass (default: the preset's, else 4).")
    @Nullable
    Integer batch;

    @Option(
            names = "--accumulate",
            paramLabel = "A",
            defaultValue = "1",
            description = "Passes of a step, whose gradients add up (default: ${DEFAULT-VALUE}).")
    int accumulate = 1;

    @Option(
            names = "--schedule",
            paramLabel = "SHAPE",
            defaultValue = "cosine",
            description =
                    "Of the learning rate after the warm-up: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Shape schedule = Shape.COSINE;

    @Option(
            names = "--lr",
            paramLabel = "LR",
            description = "Peak learning rate (default: the preset's, 1e-3 with --spec; with --from 2e-5 for full and"
                    + " experts, 1e-4 for router, 2e-4 for lora).")
    @Nullable
    Double learningRate;

    @Option(
            names = "--lr-floor",
            paramLabel = "LR",
            description = "Learning rate at the end (default: a tenth of the peak).")
    @Nullable
    Double floor;

    @Option(
            names = "--warmup",
            paramLabel = "N",
            description = "Steps until the peak (default: a tenth of the steps, at most 20).")
    @Nullable
    Long warmup;

    @Option(
            names = "--decay-share",
            paramLabel = "P",
            description = "Part of the tokens at the end of wsd that decays (default: " + DEFAULT_DECAY_SHARE + ").")
    @Nullable
    Double decayShare;

    /** What is planned, in steps and tokens. */
    record Plan(long steps, long tokens, long expectedSteps, double tokensPerStep) {

        /** Tokens of a number of steps. */
        long tokensOf(long count) {
            return Math.round(count * tokensPerStep);
        }

        long expectedTokens() {
            return Math.min(tokens, tokensOf(expectedSteps));
        }
    }

    /** The passes' size. */
    int batch(int usual) {
        return Ranges.positive("--batch", batch == null ? usual : batch);
    }

    /** How long is trained; {@link Long#MAX_VALUE} is what does not decide. */
    Plan plan(long usualSteps, double tokensPerPass) {
        Ranges.positive("--accumulate", accumulate);
        long mostTokens = tokens == null ? Long.MAX_VALUE : Ranges.positive("--tokens", tokens);
        long mostSteps =
                steps != null ? Ranges.positive("--steps", steps) : tokens == null ? usualSteps : Long.MAX_VALUE;
        double perStep = tokensPerPass * accumulate;
        long expected = Math.min(
                mostSteps, tokens == null ? Long.MAX_VALUE : (long) Math.max(1, Math.ceil(mostTokens / perStep)));
        return new Plan(mostSteps, mostTokens, expected, perStep);
    }

    /** The learning rate by tokens. */
    LearningRateSchedule schedule(Plan plan, double usualPeak) {
        double peak = learningRate == null ? usualPeak : Ranges.finitePositive("--lr", learningRate);
        long warmupSteps = warmup == null ? Math.min(20, plan.expectedSteps() / 10) : warmup;
        if (warmupSteps < 0 || warmupSteps > plan.expectedSteps()) {
            throw new IllegalArgumentException(
                    "--warmup must be between 0 and " + plan.expectedSteps() + ", got " + warmupSteps);
        }
        if (schedule == Shape.CONSTANT && floor != null) {
            throw new IllegalArgumentException(
                    "--lr-floor is the end of a schedule that falls; --schedule constant does"
                            + " not, leave one of both away");
        }
        if (schedule != Shape.WSD && decayShare != null) {
            throw new IllegalArgumentException(
                    "--decay-share is for --schedule wsd, not for " + schedule + "; leave one of both away");
        }
        double lowest = floor == null ? peak / 10 : floor;
        if (!(lowest >= 0 && lowest <= peak)) {
            throw new IllegalArgumentException("--lr-floor must be between 0 and --lr = " + peak + ", got " + lowest);
        }
        long all = plan.expectedTokens();
        long warmupTokens = Math.min(all, plan.tokensOf(warmupSteps));
        return switch (schedule) {
            case COSINE -> LearningRateSchedule.warmupCosine(peak, lowest, warmupTokens, all);
            case LINEAR -> LearningRateSchedule.linear(peak, lowest, warmupTokens, all);
            case CONSTANT -> LearningRateSchedule.constant(peak, warmupTokens);
            case WSD -> wsd(peak, lowest, warmupTokens, all);
        };
    }

    private LearningRateSchedule wsd(double peak, double lowest, long warmupTokens, long all) {
        double share = decayShare == null ? DEFAULT_DECAY_SHARE : decayShare;
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("--decay-share must be between 0 and 1, got " + share);
        }
        long decay = Math.min(all - warmupTokens, Math.round(share * all));
        return LearningRateSchedule.warmupStableDecay(peak, lowest, warmupTokens, all - warmupTokens - decay, decay);
    }
}
