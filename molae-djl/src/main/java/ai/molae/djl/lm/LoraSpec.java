package ai.molae.djl.lm;

import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Low-rank adapters for fine-tuning (LoRA, Hu et al., arXiv 2106.09685): beside a frozen matrix W train two thin ones,
 *
 * <pre>
 *   y = W x + (alpha / r) B A x          A [r, in], uniform in ±1/√in at first;  B [out, r], zero at first
 * </pre>
 *
 * For the stacked experts every expert has its own pair, {@code A [N, r, in]} and {@code B [N, out, r]}. There is no dropout on x.
 *
 * @param rank r, at least 1
 * @param alpha positive; {@code alpha / rank} is the weight of the adapters
 * @param targets the weights to adapt, at least one
 */
public record LoraSpec(int rank, double alpha, Set<LoraTarget> targets) {

    /**
     * Validates.
     *
     * @param rank r
     * @param alpha alpha
     * @param targets the weights; copied
     * @throws IllegalArgumentException if a number is out of range or there is no target
     */
    public LoraSpec {
        if (rank < 1) {
            throw new IllegalArgumentException("the rank of LoRA must be at least 1, got " + rank);
        }
        if (!(alpha > 0 && alpha <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("the alpha of LoRA must be positive and finite, got " + alpha);
        }
        if (targets.isEmpty()) {
            throw new IllegalArgumentException("LoRA needs at least one target, such as ATTENTION or EXPERTS");
        }
        targets = Collections.unmodifiableSet(EnumSet.copyOf(targets));
    }

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds a {@link LoraSpec}. */
    public static final class Builder {
        private int rank;
        private double alpha = Double.NaN;
        private Set<LoraTarget> targets = Set.of();

        private Builder() {}

        /**
         * Sets the rank.
         *
         * @param rank r
         * @return this builder
         */
        public Builder setRank(int rank) {
            this.rank = rank;
            return this;
        }

        /**
         * Sets alpha (default the rank, so that adapters have weight one).
         *
         * @param alpha alpha
         * @return this builder
         */
        public Builder optAlpha(double alpha) {
            this.alpha = alpha;
            return this;
        }

        /**
         * Sets the weights to adapt.
         *
         * @param targets the weights
         * @return this builder
         */
        public Builder setTargets(LoraTarget... targets) {
            this.targets = Set.copyOf(List.of(targets));
            return this;
        }

        /**
         * Builds the spec.
         *
         * @return the spec
         * @throws IllegalArgumentException if a number is out of range or there is no target
         */
        public LoraSpec build() {
            return new LoraSpec(rank, Double.isNaN(alpha) ? Math.max(rank, 1) : alpha, targets);
        }
    }
}
