package ai.molae.djl.train;

import java.util.Map;
import java.util.Objects;

/**
 * Linear warm-up, a time at the peak, and a decay:
 *
 * <pre>
 *   lr(t) = peak · t / warmup                                 for t &lt; warmup
 *   lr(t) = peak                                              for t ≤ warmup + stable
 *   lr(t) = floor + (peak − floor) · d(p)                     p = (t − warmup − stable) / decayTokens
 *   lr(t) = floor                                             for t ≥ warmup + stable + decayTokens, but for Decay.NONE peak
 *
 *   COSINE  d = (1 + cos(πp)) / 2      LINEAR  d = 1 − p      ONE_MINUS_SQRT  d = 1 − √p
 * </pre>
 *
 * The step that ends the warm-up has the peak in every case.
 *
 * @param decay d
 * @param peak the highest learning rate
 * @param floor the lowest
 * @param warmupTokens tokens of warm-up
 * @param stableTokens tokens at the peak
 * @param decayTokens tokens of the decay
 */
public record WarmupSchedule(
        Decay decay, double peak, double floor, long warmupTokens, long stableTokens, long decayTokens)
        implements LearningRateSchedule {

    /** How the learning rate falls. */
    public enum Decay {
        /** Not at all. */
        NONE,
        /** Along half a cosine. */
        COSINE,
        /** Along a straight line. */
        LINEAR,
        /** As one minus a square root: steeply at first. */
        ONE_MINUS_SQRT
    }

    /**
     * Validates.
     *
     * @param decay d
     * @param peak the highest learning rate
     * @param floor the lowest
     * @param warmupTokens tokens of warm-up
     * @param stableTokens tokens at the peak
     * @param decayTokens tokens of the decay
     * @throws IllegalArgumentException if rates are not {@code 0 ≤ floor ≤ peak} or tokens are negative
     */
    public WarmupSchedule {
        Objects.requireNonNull(decay, "decay");
        if (!(floor >= 0 && floor <= peak && peak <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("need 0 <= floor <= peak, got floor " + floor + " and peak " + peak);
        }
        if (warmupTokens < 0 || stableTokens < 0 || decayTokens < 0) {
            throw new IllegalArgumentException("tokens must be at least 0, got " + warmupTokens + " of warm-up, "
                    + stableTokens + " at the peak and " + decayTokens + " of decay");
        }
    }

    @Override
    public double at(long tokens) {
        if (tokens < warmupTokens) {
            return peak * tokens / warmupTokens;
        }
        long decayed = tokens - warmupTokens - stableTokens;
        if (decay == Decay.NONE || decayed <= 0) {
            return peak;
        }
        if (decayed >= decayTokens) {
            return floor;
        }
        double p = (double) decayed / decayTokens;
        double d =
                switch (decay) {
                    case NONE -> 1;
                    case COSINE -> 0.5 * (1 + Math.cos(Math.PI * p));
                    case LINEAR -> 1 - p;
                    case ONE_MINUS_SQRT -> 1 - Math.sqrt(p);
                };
        return floor + (peak - floor) * d;
    }

    @Override
    public Map<String, Object> describe() {
        return Descriptions.of(this);
    }
}
