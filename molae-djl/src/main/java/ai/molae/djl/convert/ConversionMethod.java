package ai.molae.djl.convert;

import ai.molae.djl.convert.calibrate.InnerMoments;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.spec.ExpertOperator;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;

/**
 * How a standard MoE becomes a MoLAE.
 *
 * <pre>{@code
 * ConversionMethod.paper(0.7)                               // Liu et al., arXiv 2503.23100
 * ConversionMethod.dataFree(0.7)                            // the best without text
 * ConversionMethod.calibrated(0.7)                          // the best with a calibration
 * ConversionMethod.builder().setRanks(new RankPolicy.Uniform(0.7)).optGroups(GroupPolicy.contiguous(8)).build()
 * }</pre>
 *
 * @param operators which are factored
 * @param ranks how wide the latent spaces become
 * @param tiedGateUp whether gate and up share one projection
 * @param groups which experts share
 * @param rankReduction the paper's first step: each matrix is replaced by its best approximation of this rank; 0 means of the latent size. Empty to skip it
 * @param weighting in which norm the error is smallest
 * @param shrinkage λ in [0, 1): moments become {@code (1 − λ) C + λ tr(C)/n I}
 * @param alternatingSweeps sweeps of alternating least squares over per-expert input moments of gate and up; 0 for the closed form
 * @param refinementSteps Adam steps on the factors towards the weights, after the closed form; 0 for none
 * @param distillation training of the factors towards the outputs of the layer
 */
public record ConversionMethod(
        Set<ExpertOperator> operators,
        RankPolicy ranks,
        boolean tiedGateUp,
        GroupPolicy groups,
        OptionalInt rankReduction,
        Weighting weighting,
        double shrinkage,
        int alternatingSweeps,
        int refinementSteps,
        Optional<DistillationSpec> distillation) {

    /** The paper's group size. */
    private static final int DEFAULT_GROUP = 8;

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Checks the numbers.
     *
     * @param operators which are factored
     * @param ranks how wide the latent spaces become
     * @param tiedGateUp whether gate and up share one projection
     * @param groups which experts share
     * @param rankReduction the paper's first step
     * @param weighting in which norm the error is smallest
     * @param shrinkage λ
     * @param alternatingSweeps sweeps of alternating least squares
     * @param refinementSteps Adam steps towards the weights
     * @param distillation training towards the outputs
     * @throws IllegalArgumentException if nothing is factored or a number is out of range
     */
    public ConversionMethod {
        operators = Set.copyOf(operators);
        if (operators.isEmpty()) {
            throw new IllegalArgumentException("a conversion factors at least one of GATE, UP, DOWN");
        }
        if (!(shrinkage >= 0 && shrinkage < 1)) {
            throw new IllegalArgumentException("shrinkage must be at least 0 and less than 1, got " + shrinkage);
        }
        if (alternatingSweeps < 0 || refinementSteps < 0 || rankReduction.orElse(0) < 0) {
            throw new IllegalArgumentException("sweeps, steps and the reduced rank must not be negative, got "
                    + alternatingSweeps + ", " + refinementSteps + ", " + rankReduction.orElse(0));
        }
        if (rankReduction.isPresent()
                && (weighting != Weighting.NONE || alternatingSweeps > 0 || refinementSteps > 0)) {
            throw new IllegalArgumentException(
                    "the rank reduction of the paper's first step goes with plain weights only, got weighting "
                            + weighting + ", " + alternatingSweeps + " sweeps and " + refinementSteps
                            + " refinement steps");
        }
    }

    /**
     * The method of the paper (Liu et al., arXiv 2503.23100): gate and up of eight consecutive experts share a projection, ranks are reduced to the latent size
     * first, the norm is Frobenius; down stays as it is.
     *
     * @param ratio the share of the routed experts' parameters that is kept
     * @return the method
     */
    public static ConversionMethod paper(double ratio) {
        return builder()
                .setRanks(new RankPolicy.Uniform(ratio))
                .optOperators(EnumSet.of(ExpertOperator.GATE, ExpertOperator.UP))
                .optGroups(GroupPolicy.contiguous(DEFAULT_GROUP))
                .optRankReduction(0)
                .build();
    }

    /**
     * The best without text: all operators are factored, down on its output side, one projection for all experts of a layer.
     *
     * @param ratio the share of the routed experts' parameters that is kept
     * @return the method
     */
    public static ConversionMethod dataFree(double ratio) {
        return builder().setRanks(new RankPolicy.Uniform(ratio)).build();
    }

    /**
     * The best with a calibration and without training: the norm is the error of the layers' outputs to first order, ranks are spread over layers and
     * operators to keep that small, and experts whose spaces overlap share projections, eight by eight. The calibration needs inner moments of gate and up.
     *
     * @param ratio the share of the routed experts' parameters that is kept
     * @return the method
     */
    public static ConversionMethod calibrated(double ratio) {
        return calibratedBuilder(ratio).build();
    }

    /**
     * As {@link #calibrated}, and the factors of each layer are trained towards its outputs ({@link DistillationSpec#DEFAULT}).
     *
     * @param ratio the share of the routed experts' parameters that is kept
     * @return the method
     */
    public static ConversionMethod distilled(double ratio) {
        return calibratedBuilder(ratio)
                .optDistillation(DistillationSpec.DEFAULT)
                .build();
    }

    private static Builder calibratedBuilder(double ratio) {
        return builder()
                .setRanks(new RankPolicy.Budget(RankPolicy.Unit.PARAMETERS, ratio))
                .optGroups(new GroupPolicy(GroupPolicy.Kind.SUBSPACE, DEFAULT_GROUP, true))
                .optWeighting(Weighting.SENSITIVITY);
    }

    /**
     * As lines {@code name: value}, in which two methods differ if and only if they differ.
     *
     * @return the lines
     */
    public List<String> describe() {
        return List.of(
                "operators: " + new TreeSet<>(operators),
                "ranks: " + ranks,
                "tied gate and up: " + tiedGateUp,
                "groups: " + groups,
                "rank reduction: "
                        + (rankReduction.isEmpty()
                                ? "none"
                                : rankReduction.getAsInt() == 0 ? "latent size" : rankReduction.getAsInt()),
                "weighting: " + weighting,
                "shrinkage: " + shrinkage,
                "alternating sweeps: " + alternatingSweeps,
                "refinement steps: " + refinementSteps,
                "distillation: " + distillation.map(Object::toString).orElse("none"));
    }

    /**
     * Whether a calibration is needed; distillation alone needs text, but no calibration.
     *
     * @return true if a calibration must be given
     */
    public boolean needsCalibration() {
        return weighting.needsCalibration() || groups.kind() == GroupPolicy.Kind.CO_ACTIVATION || alternatingSweeps > 0;
    }

    /**
     * What its calibration has to hold.
     *
     * @return the settings for a {@link ai.molae.djl.convert.calibrate.Calibrator}; the least there are if no calibration is needed
     */
    public MomentSettings moments() {
        return new MomentSettings(
                alternatingSweeps > 0, weighting == Weighting.SENSITIVITY ? InnerMoments.DIAGONAL : InnerMoments.NONE);
    }

    /** Builds a {@link ConversionMethod}. */
    public static final class Builder {
        private Set<ExpertOperator> operators = EnumSet.allOf(ExpertOperator.class);
        private Optional<RankPolicy> ranks = Optional.empty();
        private boolean tiedGateUp;
        private GroupPolicy groups = GroupPolicy.contiguous(0);
        private OptionalInt rankReduction = OptionalInt.empty();
        private Weighting weighting = Weighting.NONE;
        private double shrinkage = 0.01;
        private int alternatingSweeps;
        private int refinementSteps;
        private Optional<DistillationSpec> distillation = Optional.empty();

        private Builder() {}

        /**
         * Sets how wide the latent spaces become.
         *
         * @param ranks the policy
         * @return this builder
         */
        public Builder setRanks(RankPolicy ranks) {
            this.ranks = Optional.of(ranks);
            return this;
        }

        /**
         * Sets which operators are factored (default all the experts have).
         *
         * @param operators the operators
         * @return this builder
         */
        public Builder optOperators(Set<ExpertOperator> operators) {
            this.operators = Set.copyOf(operators);
            return this;
        }

        /**
         * Sets whether gate and up share one projection (default false).
         *
         * @param tiedGateUp whether they do
         * @return this builder
         */
        public Builder optTiedGateUp(boolean tiedGateUp) {
            this.tiedGateUp = tiedGateUp;
            return this;
        }

        /**
         * Sets which experts share (default: all of a layer).
         *
         * @param groups the policy
         * @return this builder
         */
        public Builder optGroups(GroupPolicy groups) {
            this.groups = groups;
            return this;
        }

        /**
         * Sets the paper's first step (default: skipped).
         *
         * @param rank the rank each matrix is reduced to; 0 for the latent size
         * @return this builder
         */
        public Builder optRankReduction(int rank) {
            this.rankReduction = OptionalInt.of(rank);
            return this;
        }

        /**
         * Sets the norm (default: Frobenius).
         *
         * @param weighting the norm
         * @return this builder
         */
        public Builder optWeighting(Weighting weighting) {
            this.weighting = weighting;
            return this;
        }

        /**
         * Sets how far moments are pulled towards a multiple of the identity (default 0.01).
         *
         * @param shrinkage λ in [0, 1)
         * @return this builder
         */
        public Builder optShrinkage(double shrinkage) {
            this.shrinkage = shrinkage;
            return this;
        }

        /**
         * Sets the sweeps of alternating least squares (default 0).
         *
         * @param sweeps the sweeps
         * @return this builder
         */
        public Builder optAlternatingSweeps(int sweeps) {
            this.alternatingSweeps = sweeps;
            return this;
        }

        /**
         * Sets the Adam steps towards the weights (default 0).
         *
         * @param steps the steps
         * @return this builder
         */
        public Builder optRefinementSteps(int steps) {
            this.refinementSteps = steps;
            return this;
        }

        /**
         * Sets the training towards the outputs of each layer (default none).
         *
         * @param distillation how
         * @return this builder
         */
        public Builder optDistillation(DistillationSpec distillation) {
            this.distillation = Optional.of(distillation);
            return this;
        }

        /**
         * Builds the method.
         *
         * @return the method
         * @throws IllegalArgumentException if the ranks were not set or a number is out of range
         */
        public ConversionMethod build() {
            return new ConversionMethod(
                    operators,
                    ranks.orElseThrow(() -> new IllegalArgumentException("a conversion needs ranks; use setRanks")),
                    tiedGateUp,
                    groups,
                    rankReduction,
                    weighting,
                    shrinkage,
                    alternatingSweeps,
                    refinementSteps,
                    distillation);
        }
    }
}
