package ai.molae.djl.train;

/** The learning rate as a function of the optimizer step. */
@FunctionalInterface
public interface LearningRateSchedule {

    /**
     * The learning rate of a step.
     *
     * @param step the step, from 0
     * @return the learning rate
     */
    double at(long step);

    /**
     * Linear warm-up, then half a cosine down to a floor:
     *
     * <pre>
     *   lr(t) = peak · (t + 1) / warmup                                             for t &lt; warmup
     *   lr(t) = floor + ½ (peak − floor) (1 + cos(π (t − warmup) / (steps − warmup)))  after that
     * </pre>
     *
     * @param peak the highest learning rate
     * @param floor the lowest, reached at {@code steps}
     * @param warmup steps of warm-up
     * @param steps all steps, warm-up included
     * @return the schedule
     * @throws IllegalArgumentException if rates are not {@code 0 ≤ floor ≤ peak} or {@code 0 ≤ warmup ≤ steps} does not hold
     */
    static LearningRateSchedule warmupCosine(double peak, double floor, long warmup, long steps) {
        if (!(floor >= 0 && floor <= peak && Double.isFinite(peak))) {
            throw new IllegalArgumentException("need 0 <= floor <= peak, got floor " + floor + " and peak " + peak);
        }
        if (warmup < 0 || warmup > steps) {
            throw new IllegalArgumentException(
                    "need 0 <= warmup <= steps, got warmup " + warmup + " and steps " + steps);
        }
        return step -> {
            if (step < warmup) {
                return peak * (step + 1) / warmup;
            }
            double progress = Math.min(1, (double) (step - warmup) / Math.max(1, steps - warmup));
            return floor + 0.5 * (peak - floor) * (1 + Math.cos(Math.PI * progress));
        };
    }
}
