package ai.molae.djl.train;

import java.util.Locale;

/**
 * Notices that a run has gone wrong: the loss, smoothed over about 20 steps, has risen above its lowest by more than a margin.
 *
 * <pre>
 *   s ← 0.95 s + 0.05 loss        diverged when s − min s &gt; margin
 * </pre>
 */
final class DivergenceGuard {

    private static final double DECAY = 0.95;

    /** The smoothed loss and the lowest it was. */
    record Level(double smoothed, double lowest) {}

    private DivergenceGuard() {}

    static Level next(TrainingState state, TrainingStep.Result step) {
        if (step.labels() == 0) {
            return new Level(state.smoothedLoss(), state.lowestLoss());
        }
        double loss = step.loss();
        double smoothed = Double.isNaN(state.smoothedLoss()) ? loss : DECAY * state.smoothedLoss() + (1 - DECAY) * loss;
        double lowest = Double.isNaN(state.lowestLoss()) ? smoothed : Math.min(state.lowestLoss(), smoothed);
        return new Level(smoothed, lowest);
    }

    static boolean diverged(Level level, double margin) {
        return margin > 0 && level.smoothed() - level.lowest() > margin;
    }

    /** In a sentence without its end. */
    static String describe(long step, Level level) {
        return String.format(
                Locale.ROOT,
                "training diverged at step %d: the smoothed loss is %.4f, %.4f above its lowest, %.4f",
                step,
                level.smoothed(),
                level.smoothed() - level.lowest(),
                level.lowest());
    }
}
