package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Objects;

/**
 * How tokens choose experts. The logits {@code l = x W_routerᵀ} are always float32 or better, whatever the precision of
 * the layer; ties break toward the lower expert index.
 *
 * <pre>
 *   s      = scores of l                                           (scoreFunction)
 *   c      = s + b                                                 (correctionBias; b chooses, it never weighs)
 *   chosen = top K of c, inside the topkGroup best of nGroup groups
 *   p      = s[chosen]  (/ Σ s[chosen] if normTopkProb)  · routedScalingFactor
 * </pre>
 *
 * <p>The groups here are DeepSeek's device groups of consecutive experts, not the groups of experts that share a MoLAE
 * projection.
 *
 * @param scoreFunction how logits become scores
 * @param normTopkProb whether the chosen scores are divided by their sum ({@code norm_topk_prob}); without effect for
 *     {@link ScoreFunction#SOFTMAX_OVER_CHOSEN}, whose weights sum to 1 anyway
 * @param routedScalingFactor what every routing weight is multiplied by at the end ({@code routed_scaling_factor})
 * @param correctionBias whether the layer has a non-trained bias per expert ({@code e_score_correction_bias}) that is
 *     added to the scores for choosing only
 * @param nGroup number of groups of consecutive experts ({@code n_group}); 1 means routing without groups
 * @param topkGroup how many groups a token may choose from ({@code topk_group})
 * @param groupScore how a group is scored
 * @param capacityFactor c in the capacity {@code ceil(c·T·K/N)} of an expert; {@link Double#POSITIVE_INFINITY} is
 *     dropless
 * @param auxLossCoef factor of the load-balancing loss in the layer's auxiliary loss ({@code router_aux_loss_coef})
 * @param auxLossScope what the load-balancing loss balances
 * @param zLossCoef factor of the router z-loss in the layer's auxiliary loss
 */
public record RouterSpec(
        ScoreFunction scoreFunction,
        boolean normTopkProb,
        double routedScalingFactor,
        boolean correctionBias,
        int nGroup,
        int topkGroup,
        GroupScore groupScore,
        double capacityFactor,
        double auxLossCoef,
        AuxLossScope auxLossScope,
        double zLossCoef) {

    /**
     * Validates the fields.
     *
     * @param scoreFunction how logits become scores
     * @param normTopkProb whether the chosen scores are divided by their sum
     * @param routedScalingFactor what every routing weight is multiplied by at the end
     * @param correctionBias whether the layer has a non-trained bias per expert
     * @param nGroup number of groups of consecutive experts
     * @param topkGroup how many groups a token may choose from
     * @param groupScore how a group is scored
     * @param capacityFactor c in the capacity {@code ceil(c·T·K/N)} of an expert
     * @param auxLossCoef factor of the load-balancing loss in the layer's auxiliary loss
     * @param auxLossScope what the load-balancing loss balances
     * @param zLossCoef factor of the router z-loss in the layer's auxiliary loss
     * @throws IllegalArgumentException if a field is out of range; the message names it and its value
     */
    public RouterSpec {
        Objects.requireNonNull(scoreFunction, "scoreFunction");
        Objects.requireNonNull(groupScore, "groupScore");
        Objects.requireNonNull(auxLossScope, "auxLossScope");
        Checks.finitePositive("routedScalingFactor", routedScalingFactor);
        Checks.positive("nGroup", nGroup);
        Checks.check(
                topkGroup >= 1 && topkGroup <= nGroup,
                "topkGroup must be between 1 and nGroup = %d, got %d",
                nGroup,
                topkGroup);
        Checks.check(
                capacityFactor > 0,
                "capacityFactor must be positive (infinity means dropless), got %s",
                capacityFactor);
        Checks.finiteNonNegative("auxLossCoef", auxLossCoef);
        Checks.finiteNonNegative("zLossCoef", zLossCoef);
        Checks.check(
                scoreFunction != ScoreFunction.SOFTMAX_OVER_CHOSEN || !correctionBias,
                "SOFTMAX_OVER_CHOSEN has no bias-corrected form; drop the correction bias or use SIGMOID (DeepSeek-V3)");
        Checks.check(
                scoreFunction != ScoreFunction.SOFTMAX_OVER_CHOSEN || nGroup == 1,
                "SOFTMAX_OVER_CHOSEN has no group-limited form, got nGroup = %d; use SOFTMAX with normTopkProb",
                nGroup);
    }

    /**
     * A builder with the defaults of Qwen3-MoE: softmax, normalised, no groups, dropless, no auxiliary loss.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * A builder that starts from this spec.
     *
     * @return the builder
     */
    public Builder toBuilder() {
        Builder builder = new Builder();
        builder.scoreFunction = scoreFunction;
        builder.normTopkProb = normTopkProb;
        builder.routedScalingFactor = routedScalingFactor;
        builder.correctionBias = correctionBias;
        builder.nGroup = nGroup;
        builder.topkGroup = topkGroup;
        builder.groupScore = groupScore;
        builder.capacityFactor = capacityFactor;
        builder.auxLossCoef = auxLossCoef;
        builder.auxLossScope = auxLossScope;
        builder.zLossCoef = zLossCoef;
        return builder;
    }

    /**
     * Whether an expert may have to drop tokens.
     *
     * @return true if the capacity factor is finite
     */
    public boolean hasCapacity() {
        return Double.isFinite(capacityFactor);
    }

    /** Builds a {@link RouterSpec}. */
    public static final class Builder {
        private ScoreFunction scoreFunction = ScoreFunction.SOFTMAX;
        private boolean normTopkProb = true;
        private double routedScalingFactor = 1;
        private boolean correctionBias;
        private int nGroup = 1;
        private int topkGroup = 1;
        private GroupScore groupScore = GroupScore.MAX;
        private double capacityFactor = Double.POSITIVE_INFINITY;
        private double auxLossCoef;
        private AuxLossScope auxLossScope = AuxLossScope.LAYER;
        private double zLossCoef;

        private Builder() {}

        /**
         * Sets the score function (default softmax).
         *
         * @param scoreFunction how logits become scores
         * @return this builder
         */
        public Builder optScoreFunction(ScoreFunction scoreFunction) {
            this.scoreFunction = scoreFunction;
            return this;
        }

        /**
         * Sets whether the chosen scores are divided by their sum (default true).
         *
         * @param normTopkProb {@code norm_topk_prob}
         * @return this builder
         */
        public Builder optNormTopkProb(boolean normTopkProb) {
            this.normTopkProb = normTopkProb;
            return this;
        }

        /**
         * Sets the final factor of every routing weight (default 1).
         *
         * @param routedScalingFactor {@code routed_scaling_factor}
         * @return this builder
         */
        public Builder optRoutedScalingFactor(double routedScalingFactor) {
            this.routedScalingFactor = routedScalingFactor;
            return this;
        }

        /**
         * Sets whether a non-trained bias takes part in the choice (default false).
         *
         * @param correctionBias whether the layer has {@code e_score_correction_bias}
         * @return this builder
         */
        public Builder optCorrectionBias(boolean correctionBias) {
            this.correctionBias = correctionBias;
            return this;
        }

        /**
         * Limits the choice to the best groups of consecutive experts (default: one group, no limit).
         *
         * @param nGroup number of groups
         * @param topkGroup how many of them a token may choose from
         * @param groupScore how a group is scored
         * @return this builder
         */
        public Builder optGroupLimit(int nGroup, int topkGroup, GroupScore groupScore) {
            this.nGroup = nGroup;
            this.topkGroup = topkGroup;
            this.groupScore = groupScore;
            return this;
        }

        /**
         * Sets the capacity factor (default infinity, dropless).
         *
         * @param capacityFactor c in {@code ceil(c·T·K/N)}
         * @return this builder
         */
        public Builder optCapacityFactor(double capacityFactor) {
            this.capacityFactor = capacityFactor;
            return this;
        }

        /**
         * Sets the factor of the load-balancing loss (default 0).
         *
         * @param auxLossCoef {@code router_aux_loss_coef}
         * @return this builder
         */
        public Builder optAuxLossCoef(double auxLossCoef) {
            this.auxLossCoef = auxLossCoef;
            return this;
        }

        /**
         * Sets what the load-balancing loss balances (default {@link AuxLossScope#LAYER}).
         *
         * @param auxLossScope layer, model, sequence or global
         * @return this builder
         */
        public Builder optAuxLossScope(AuxLossScope auxLossScope) {
            this.auxLossScope = auxLossScope;
            return this;
        }

        /**
         * Sets the factor of the router z-loss (default 0).
         *
         * @param zLossCoef the factor
         * @return this builder
         */
        public Builder optZLossCoef(double zLossCoef) {
            this.zLossCoef = zLossCoef;
            return this;
        }

        /**
         * Builds the spec.
         *
         * @return the validated spec
         * @throws IllegalArgumentException if a field is out of range
         */
        public RouterSpec build() {
            return new RouterSpec(
                    scoreFunction,
                    normTopkProb,
                    routedScalingFactor,
                    correctionBias,
                    nGroup,
                    topkGroup,
                    groupScore,
                    capacityFactor,
                    auxLossCoef,
                    auxLossScope,
                    zLossCoef);
        }
    }
}
