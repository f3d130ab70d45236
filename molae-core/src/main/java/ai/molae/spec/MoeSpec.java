package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * A Mixture-of-Experts layer, standard or with experts in a latent space:
 *
 * <pre>
 *   E_i(x) = W_down^i ( σ(W_gate^i x) ⊙ W_up^i x )        or, ungated,  W_down^i σ(W_up^i x)
 *   y      = Σ_{i chosen} p_i(x) E_i(x)  +  shared(x)
 * </pre>
 *
 * Without {@link LatentSpec} it is the standard layer; with one, the factored operators are products of an expert's own
 * small matrix and a projection that its group shares (Liu et al., arXiv 2503.23100). One spec describes standard MoE,
 * MoLAE, LatentMoE and partly factored layers:
 *
 * <pre>{@code
 * MoeSpec moe   = MoeSpec.builder().setHiddenSize(2048).setIntermediateSize(768).setNumExperts(128).setTopK(8).build();
 * MoeSpec molae = moe.withLatent(LatentSpec.builder().setLatentSize(768).setGroupSize(128).build());
 * }</pre>
 *
 * @param hiddenSize n, width of the residual stream
 * @param intermediateSize m, width inside one expert ({@code moe_intermediate_size})
 * @param numExperts N, routed experts
 * @param topK K, experts per token ({@code num_experts_per_tok})
 * @param activation σ
 * @param gated whether experts have a gate operator
 * @param router how tokens choose experts
 * @param latent which operators are factored; empty for the standard layer
 * @param sharedExpert an expert every token visits; empty for none
 */
public record MoeSpec(
        int hiddenSize,
        int intermediateSize,
        int numExperts,
        int topK,
        Activation activation,
        boolean gated,
        RouterSpec router,
        Optional<LatentSpec> latent,
        Optional<SharedExpertSpec> sharedExpert)
        implements FeedForwardSpec {

    /**
     * Validates every field and their combination.
     *
     * @param hiddenSize n
     * @param intermediateSize m
     * @param numExperts N
     * @param topK K
     * @param activation σ
     * @param gated whether experts have a gate operator
     * @param router how tokens choose experts
     * @param latent which operators are factored
     * @param sharedExpert an expert every token visits
     * @throws IllegalArgumentException if a field is out of range or two contradict each other; the message has the
     *     numbers
     */
    public MoeSpec {
        Objects.requireNonNull(activation, "activation");
        Objects.requireNonNull(router, "router");
        SpecLimits.checkSize("hiddenSize", hiddenSize);
        SpecLimits.checkSize("intermediateSize", intermediateSize);
        SpecLimits.checkExperts(numExperts);
        Checks.check(
                topK >= 1 && topK <= numExperts,
                "topK must be between 1 and numExperts = %d, got %d",
                numExperts,
                topK);
        checkRouterGroups(router, numExperts, topK);
        latent.ifPresent(l -> checkLatent(l, numExperts, gated));
        SpecLimits.checkParameters(
                "a layer of numExperts = " + numExperts + ", hiddenSize = " + hiddenSize + ", intermediateSize = "
                        + intermediateSize,
                ParameterBound.layer(hiddenSize, intermediateSize, numExperts, latent, sharedExpert));
    }

    private static void checkRouterGroups(RouterSpec router, int numExperts, int topK) {
        Checks.check(
                numExperts % router.nGroup() == 0,
                "numExperts = %d is not divisible by the router's nGroup = %d",
                numExperts,
                router.nGroup());
        int groupSize = numExperts / router.nGroup();
        Checks.check(
                router.topkGroup() * groupSize >= topK,
                "topK = %d exceeds the %d experts of the router's topkGroup = %d groups of %d",
                topK,
                router.topkGroup() * groupSize,
                router.topkGroup(),
                groupSize);
        Checks.check(
                router.nGroup() == 1 || router.groupScore() != GroupScore.TOP2_SUM || groupSize >= 2,
                "TOP2_SUM needs router groups of at least 2 experts, got numExperts = %d in nGroup = %d",
                numExperts,
                router.nGroup());
    }

    private static void checkLatent(LatentSpec latent, int numExperts, boolean gated) {
        Checks.check(
                gated || !latent.isFactored(ExpertOperator.GATE),
                "the experts are ungated, but the LatentSpec factors GATE; use optFactored(UP, DOWN)");
        if (latent.groups().isPresent()) {
            int partitioned = latent.groups().get().numExperts();
            Checks.check(
                    partitioned == numExperts,
                    "the LatentSpec partitions %d experts, the layer has numExperts = %d",
                    partitioned,
                    numExperts);
        } else {
            Checks.check(
                    latent.groupSize() <= numExperts,
                    "groupSize = %d exceeds numExperts = %d; use groupSize = numExperts for one group",
                    latent.groupSize(),
                    numExperts);
        }
    }

    /**
     * A builder.
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
        builder.hiddenSize = hiddenSize;
        builder.intermediateSize = intermediateSize;
        builder.numExperts = numExperts;
        builder.topK = topK;
        builder.activation = activation;
        builder.gated = gated;
        builder.router = router;
        builder.latent = latent;
        builder.sharedExpert = sharedExpert;
        return builder;
    }

    /**
     * The same layer with factored operators.
     *
     * @param latent which operators are factored and how
     * @return the MoLAE spec
     * @throws IllegalArgumentException if {@code latent} does not fit this layer
     */
    public MoeSpec withLatent(LatentSpec latent) {
        return toBuilder().optLatent(latent).build();
    }

    /**
     * The same layer without any factored operator.
     *
     * @return the standard MoE spec
     */
    public MoeSpec withoutLatent() {
        Builder builder = toBuilder();
        builder.latent = Optional.empty();
        return builder.build();
    }

    /**
     * The operators the experts have.
     *
     * @return GATE (if gated), UP, DOWN
     */
    public List<ExpertOperator> operators() {
        return gated
                ? List.of(ExpertOperator.GATE, ExpertOperator.UP, ExpertOperator.DOWN)
                : List.of(ExpertOperator.UP, ExpertOperator.DOWN);
    }

    /**
     * Whether an operator is factored.
     *
     * @param operator the operator
     * @return true if the layer is latent in it
     */
    public boolean isFactored(ExpertOperator operator) {
        return latent.isPresent() && latent.get().isFactored(operator);
    }

    /**
     * What the expert-specific matrix of an operator reads (gate, up) or writes (down): the latent size if factored,
     * else n.
     *
     * @param operator the operator
     * @return r or n
     */
    public int expertWidth(ExpertOperator operator) {
        return isFactored(operator) ? latent.orElseThrow().latentSize(operator) : hiddenSize;
    }

    /**
     * Whether gate and up of an expert read the same vector, so that both are one product: both dense, or tied.
     *
     * @return true if the expert matrices are stored as one {@code gate_up}
     */
    public boolean fusedGateUp() {
        if (!gated) {
            return false;
        }
        boolean dense = !isFactored(ExpertOperator.GATE) && !isFactored(ExpertOperator.UP);
        return dense || (latent.isPresent() && latent.get().tiedGateUp());
    }

    /**
     * The partition of the experts into groups that share projections.
     *
     * @return the partition
     * @throws IllegalStateException if the layer has no latent part
     */
    public ExpertGroups expertGroups() {
        LatentSpec l = latent.orElseThrow(() -> new IllegalStateException("a standard MoE layer has no latent groups"));
        return l.groups().orElseGet(() -> ExpertGroups.contiguous(numExperts, l.groupSize()));
    }

    /**
     * The most tokens an expert takes out of a batch, {@code min(T, ceil(c·T·K/N))}.
     *
     * @param tokens T
     * @return the capacity; T itself when dropless
     */
    public int capacity(int tokens) {
        if (!router.hasCapacity()) {
            return tokens;
        }
        return (int) Math.min(tokens, Math.ceil(router.capacityFactor() * tokens * topK / numExperts));
    }

    /**
     * Name and shape of every parameter of the layer, in storage order. One matrix per expert (or group) is stacked
     * along the first axis, {@code [N, out, in]}:
     *
     * <pre>
     *   router                   [N, n]
     *   e_score_correction_bias  [N]            with a correction bias; not trained
     *   latent_in                [G, R, n]      B of gate and up: R = r if tied, r_gate + r_up (gate first) if both factored
     *   gate_up                  [N, 2m, n|r]   gate rows first, when both read the same vector; otherwise
     *   gate, up                 [N, m, n|r]
     *   down                     [N, n|r, m]
     *   latent_out               [G, n, r]      B of down
     *   shared_gate_up           [2·m_s, n]     shared_up [m_s, n] when ungated
     *   shared_down              [n, m_s]
     *   shared_gate              [1, n]         when the shared expert is sigmoid-gated
     * </pre>
     *
     * @return the parameters
     */
    public List<ParameterShape> parameters() {
        return MoeParameters.of(this);
    }

    /**
     * The rows of one group's {@code latent_in}: r if gate and up are tied, else the latent sizes of the factored ones
     * added.
     *
     * @return R; 0 if neither gate nor up is factored
     */
    public int latentInSize() {
        int gate = isFactored(ExpertOperator.GATE) ? expertWidth(ExpertOperator.GATE) : 0;
        int up = isFactored(ExpertOperator.UP) ? expertWidth(ExpertOperator.UP) : 0;
        return latent.isPresent() && latent.get().tiedGateUp() ? up : gate + up;
    }

    /** Builds a {@link MoeSpec}. */
    public static final class Builder {
        private int hiddenSize;
        private int intermediateSize;
        private int numExperts;
        private int topK;
        private Activation activation = Activation.SILU;
        private boolean gated = true;
        private RouterSpec router = RouterSpec.builder().build();
        private Optional<LatentSpec> latent = Optional.empty();
        private Optional<SharedExpertSpec> sharedExpert = Optional.empty();

        private Builder() {}

        /**
         * Sets the width of the residual stream.
         *
         * @param hiddenSize n
         * @return this builder
         */
        public Builder setHiddenSize(int hiddenSize) {
            this.hiddenSize = hiddenSize;
            return this;
        }

        /**
         * Sets the width inside one expert.
         *
         * @param intermediateSize m
         * @return this builder
         */
        public Builder setIntermediateSize(int intermediateSize) {
            this.intermediateSize = intermediateSize;
            return this;
        }

        /**
         * Sets the number of routed experts.
         *
         * @param numExperts N
         * @return this builder
         */
        public Builder setNumExperts(int numExperts) {
            this.numExperts = numExperts;
            return this;
        }

        /**
         * Sets how many experts a token visits.
         *
         * @param topK K
         * @return this builder
         */
        public Builder setTopK(int topK) {
            this.topK = topK;
            return this;
        }

        /**
         * Sets the activation (default SiLU).
         *
         * @param activation σ
         * @return this builder
         */
        public Builder optActivation(Activation activation) {
            this.activation = activation;
            return this;
        }

        /**
         * Sets whether experts have a gate operator (default true).
         *
         * @param gated whether experts are gated
         * @return this builder
         */
        public Builder optGated(boolean gated) {
            this.gated = gated;
            return this;
        }

        /**
         * Sets the router (default softmax, normalised, dropless).
         *
         * @param router the router
         * @return this builder
         */
        public Builder optRouter(RouterSpec router) {
            this.router = router;
            return this;
        }

        /**
         * Sets which operators are factored (default none).
         *
         * @param latent the latent part
         * @return this builder
         */
        public Builder optLatent(LatentSpec latent) {
            this.latent = Optional.of(latent);
            return this;
        }

        /**
         * Sets an expert that every token visits (default none).
         *
         * @param sharedExpert the shared expert
         * @return this builder
         */
        public Builder optSharedExpert(SharedExpertSpec sharedExpert) {
            this.sharedExpert = Optional.of(sharedExpert);
            return this;
        }

        /**
         * Builds the spec.
         *
         * @return the validated spec
         * @throws IllegalArgumentException if a required field is missing or any field is out of range
         */
        public MoeSpec build() {
            return new MoeSpec(
                    hiddenSize, intermediateSize, numExperts, topK, activation, gated, router, latent, sharedExpert);
        }
    }
}
