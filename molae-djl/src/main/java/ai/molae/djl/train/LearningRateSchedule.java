package ai.molae.djl.train;

import java.util.Map;

/**
 * The learning rate as a function of the tokens trained on. The schedules made here are {@link WarmupSchedule}s, equal if all their numbers
 * are; a schedule of one's own may be a lambda, which no checkpoint can tell from another.
 */
@FunctionalInterface
public interface LearningRateSchedule {

    /**
     * The learning rate of a step.
     *
     * @param tokens tokens trained on when the step is done, its own included; so a warm-up is above 0 in the first step and a decay at its
     *     floor in the last
     * @return the learning rate
     */
    double at(long tokens);

    /**
     * The schedule as what JSON knows.
     *
     * @return strings and numbers by name; for a schedule that does not override this only {@code type: custom}
     */
    default Map<String, Object> describe() {
        return Map.of("type", "custom");
    }

    /**
     * Always the same.
     *
     * @param peak the learning rate
     * @return the schedule
     * @throws IllegalArgumentException if it is negative or not finite
     */
    static LearningRateSchedule constant(double peak) {
        return constant(peak, 0);
    }

    /**
     * Linear warm-up, then always the same.
     *
     * @param peak the learning rate
     * @param warmupTokens tokens of warm-up
     * @return the schedule
     * @throws IllegalArgumentException if a number is out of range
     */
    static LearningRateSchedule constant(double peak, long warmupTokens) {
        return new WarmupSchedule(WarmupSchedule.Decay.NONE, peak, peak, warmupTokens, 0, 0);
    }

    /**
     * Linear warm-up, then half a cosine down to a floor (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
     *
     * @param peak the highest learning rate
     * @param floor the lowest, reached at {@code totalTokens}
     * @param warmupTokens tokens of warm-up
     * @param totalTokens all tokens, those of the warm-up included
     * @return the schedule
     * @throws IllegalArgumentException if rates are not {@code 0 ≤ floor ≤ peak} or {@code 0 ≤ warmupTokens ≤ totalTokens} does not hold
     */
    static LearningRateSchedule warmupCosine(double peak, double floor, long warmupTokens, long totalTokens) {
        return new WarmupSchedule(
                WarmupSchedule.Decay.COSINE, peak, floor, warmupTokens, 0, rest(warmupTokens, totalTokens));
    }

    /**
     * Linear warm-up, then a straight line down to a floor.
     *
     * @param peak the highest learning rate
     * @param floor the lowest, reached at {@code totalTokens}
     * @param warmupTokens tokens of warm-up
     * @param totalTokens all tokens, those of the warm-up included
     * @return the schedule
     * @throws IllegalArgumentException if rates are not {@code 0 ≤ floor ≤ peak} or {@code 0 ≤ warmupTokens ≤ totalTokens} does not hold
     */
    static LearningRateSchedule linear(double peak, double floor, long warmupTokens, long totalTokens) {
        return new WarmupSchedule(
                WarmupSchedule.Decay.LINEAR, peak, floor, warmupTokens, 0, rest(warmupTokens, totalTokens));
    }

    /**
     * Warm-up, stable, decay (WSD; Hu et al., MiniCPM, arXiv 2404.06395), the decay as one minus a square root, the best of those that
     * Hägele et al. compare (arXiv 2405.18392).
     *
     * @param peak the highest learning rate
     * @param floor the lowest, reached after all tokens
     * @param warmupTokens tokens of warm-up
     * @param stableTokens tokens at the peak after that
     * @param decayTokens tokens of the decay after that
     * @return the schedule
     * @throws IllegalArgumentException if rates are not {@code 0 ≤ floor ≤ peak} or tokens are negative
     */
    static LearningRateSchedule warmupStableDecay(
            double peak, double floor, long warmupTokens, long stableTokens, long decayTokens) {
        return new WarmupSchedule(
                WarmupSchedule.Decay.ONE_MINUS_SQRT, peak, floor, warmupTokens, stableTokens, decayTokens);
    }

    private static long rest(long warmupTokens, long totalTokens) {
        if (warmupTokens < 0 || warmupTokens > totalTokens) {
            throw new IllegalArgumentException("need 0 <= warmupTokens <= totalTokens, got warmupTokens " + warmupTokens
                    + " and totalTokens " + totalTokens);
        }
        return totalTokens - warmupTokens;
    }
}
