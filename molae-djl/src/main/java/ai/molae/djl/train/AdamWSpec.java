package ai.molae.djl.train;

import java.util.Objects;

/**
 * AdamW (Loshchilov and Hutter, arXiv 1711.05101):
 *
 * <pre>
 *   w ← w − lr·λ·w;   m ← β₁m + (1−β₁)g;   v ← β₂v + (1−β₂)g²
 *   w ← w − lr · (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε)
 * </pre>
 *
 * <p>Only matrices (parameters of type WEIGHT) decay: λ is 0 for norms and biases, unless a {@link ParameterGroup} says otherwise.
 *
 * @param beta1 β₁
 * @param beta2 β₂
 * @param epsilon ε
 * @param weightDecay λ
 * @param secondMoment how the moments are kept
 */
public record AdamWSpec(double beta1, double beta2, double epsilon, double weightDecay, SecondMoment secondMoment)
        implements OptimizerSpec {

    /**
     * Validates.
     *
     * @param beta1 β₁, in [0, 1)
     * @param beta2 β₂, in [0, 1)
     * @param epsilon ε, positive
     * @param weightDecay λ, at least 0
     * @param secondMoment how the moments are kept
     * @throws IllegalArgumentException if a number is out of range
     */
    public AdamWSpec {
        if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
            throw new IllegalArgumentException("betas must be in [0, 1), got " + beta1 + " and " + beta2);
        }
        if (!(epsilon > 0 && epsilon <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("epsilon must be positive and finite, got " + epsilon);
        }
        checkWeightDecay(weightDecay);
        Objects.requireNonNull(secondMoment, "secondMoment");
    }

    static void checkWeightDecay(double weightDecay) {
        if (!(weightDecay >= 0 && weightDecay <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("weightDecay must be at least 0 and finite, got " + weightDecay);
        }
    }

    @Override
    public double stateBytesPerParameter() {
        return switch (secondMoment) {
            case FULL -> 2 * Float.BYTES;
            case FACTORED -> Float.BYTES;
            case EIGHT_BIT -> 2;
        };
    }

    /**
     * A builder with the usual settings for language models: betas 0.9 and 0.95, ε 1e-8, weight decay 0.1, full moments.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds an {@link AdamWSpec}. */
    public static final class Builder {
        private double beta1 = 0.9;
        private double beta2 = 0.95;
        private double epsilon = 1e-8;
        private double weightDecay = 0.1;
        private SecondMoment secondMoment = SecondMoment.FULL;

        private Builder() {}

        /**
         * Sets the decay rates of the moments (default 0.9 and 0.95).
         *
         * @param beta1 β₁
         * @param beta2 β₂
         * @return this builder
         */
        public Builder optBetas(double beta1, double beta2) {
            this.beta1 = beta1;
            this.beta2 = beta2;
            return this;
        }

        /**
         * Sets ε (default 1e-8).
         *
         * @param epsilon ε
         * @return this builder
         */
        public Builder optEpsilon(double epsilon) {
            this.epsilon = epsilon;
            return this;
        }

        /**
         * Sets the weight decay of matrices (default 0.1).
         *
         * @param weightDecay λ
         * @return this builder
         */
        public Builder optWeightDecay(double weightDecay) {
            this.weightDecay = weightDecay;
            return this;
        }

        /**
         * Sets how the moments are kept (default in full).
         *
         * @param secondMoment how
         * @return this builder
         */
        public Builder optSecondMoment(SecondMoment secondMoment) {
            this.secondMoment = secondMoment;
            return this;
        }

        /**
         * Builds the spec.
         *
         * @return the spec
         * @throws IllegalArgumentException if a number is out of range
         */
        public AdamWSpec build() {
            return new AdamWSpec(beta1, beta2, epsilon, weightDecay, secondMoment);
        }
    }
}
