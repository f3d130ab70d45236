package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The cost of a MoE layer, standard or latent. Per operator, with N experts in G groups, K chosen ones in D groups:
 *
 * <pre>
 *   parameters              dense  N·m·n        factored  N·m·r + G·r·n        (tied gate/up count one G·r·n)
 *   forward FLOPs, a token  dense  2·K·m·n      factored  2·K·m·r + 2·D·r·n    (tied gate/up count one 2·D·r·n)
 *   router                  N·n parameters (+ N correction biases), 2·N·n FLOPs
 *   shared expert           3·m_s·n parameters (2·m_s·n ungated; + n with a sigmoid gate), 2 FLOPs each
 * </pre>
 *
 * Where D is not given it is E[D] under uniform routing, see {@link UniformRouting#distinctGroups}; capacity limits are
 * ignored.
 */
public final class LayerCost {

    private final MoeSpec spec;
    private final Optional<ExpertGroups> groups;
    private final Map<LayerPart, PartCost> parts = new EnumMap<>(LayerPart.class);
    private final long correctionBiases;

    /** Weights in the products of one part: always used, of each expert, of each group. */
    private record PartCost(long fixed, long perExpert, long perGroup) {

        static final PartCost NONE = new PartCost(0, 0, 0);

        double touched(double experts, double groups) {
            return fixed + experts * perExpert + groups * perGroup;
        }
    }

    LayerCost(MoeSpec spec) {
        this.spec = spec;
        groups = spec.latent().map(latent -> spec.expertGroups());
        correctionBiases = spec.router().correctionBias() ? spec.numExperts() : 0;
        long n = spec.hiddenSize();
        parts.put(LayerPart.ROUTER, new PartCost(Checks.product(spec.numExperts(), n), 0, 0));
        for (ExpertOperator operator : spec.operators()) {
            parts.put(part(operator), operatorCost(spec, operator));
        }
        spec.sharedExpert().ifPresent(shared -> {
            long weights = Checks.product(spec.operators().size(), shared.intermediateSize(), n);
            long gate = shared.sigmoidGated() ? n : 0;
            parts.put(LayerPart.SHARED, new PartCost(Math.addExact(weights, gate), 0, 0));
        });
    }

    private static PartCost operatorCost(MoeSpec spec, ExpertOperator operator) {
        long perExpert = Checks.product(spec.intermediateSize(), spec.expertWidth(operator));
        // The one projection of tied gate and up counts at UP.
        boolean countedAtUp = operator == ExpertOperator.GATE
                && spec.latent().isPresent()
                && spec.latent().get().tiedGateUp();
        if (!spec.isFactored(operator) || countedAtUp) {
            return new PartCost(0, perExpert, 0);
        }
        return new PartCost(0, perExpert, Checks.product(spec.expertWidth(operator), spec.hiddenSize()));
    }

    private static LayerPart part(ExpertOperator operator) {
        return switch (operator) {
            case GATE -> LayerPart.GATE;
            case UP -> LayerPart.UP;
            case DOWN -> LayerPart.DOWN;
        };
    }

    /**
     * The layer this is the cost of.
     *
     * @return its spec
     */
    public MoeSpec spec() {
        return spec;
    }

    /**
     * Every number in the layer's checkpoint: the sizes of {@link MoeSpec#parameters()} added, correction bias included
     * (the published totals of DeepSeek-V3 and Moonlight include it).
     *
     * @return the number of parameters
     */
    public long parameters() {
        long sum = 0;
        for (LayerPart part : LayerPart.values()) {
            sum = Math.addExact(sum, parameters(part));
        }
        return sum;
    }

    /**
     * The parameters of one part.
     *
     * @param part the part
     * @return their number; 0 for a part the layer does not have
     */
    public long parameters(LayerPart part) {
        PartCost cost = cost(part);
        long experts = Checks.product(spec.numExperts(), cost.perExpert());
        long projections = groups.isPresent() ? Checks.product(groups.get().numGroups(), cost.perGroup()) : 0;
        long biases = part == LayerPart.ROUTER ? correctionBiases : 0;
        return Math.addExact(Math.addExact(cost.fixed(), experts), Math.addExact(projections, biases));
    }

    /**
     * The parameters that receive gradients: all but the router's correction bias.
     *
     * @return their number
     */
    public long trainableParameters() {
        return parameters() - correctionBiases;
    }

    /**
     * The parameters of the routed experts, latent projections included, router and shared expert excluded.
     *
     * @return their number
     */
    public long routedExpertParameters() {
        return Math.addExact(
                Math.addExact(parameters(LayerPart.GATE), parameters(LayerPart.UP)), parameters(LayerPart.DOWN));
    }

    /**
     * The parameters that take part in the computation of one token: router, correction bias and shared expert whole, K
     * experts, and the projections of E[D] groups.
     *
     * @return their expected number
     */
    public double activeParameters() {
        return touchedParameters(1);
    }

    /**
     * The part of {@link #activeParameters()} that belongs to one part.
     *
     * @param part the part
     * @return their expected number; 0 for a part the layer does not have
     */
    public double activeParameters(LayerPart part) {
        return touchedParameters(part, 1);
    }

    /**
     * The parameters that take part in the computation of a batch: router, correction bias and shared expert whole, and
     * those experts and projections that at least one token needs, in expectation under {@link UniformRouting}.
     *
     * @param tokens T
     * @return their expected number
     * @throws IllegalArgumentException if T is not positive
     */
    public double touchedParameters(long tokens) {
        double sum = 0;
        for (LayerPart part : LayerPart.values()) {
            sum += touchedParameters(part, tokens);
        }
        return sum;
    }

    private double touchedParameters(LayerPart part, long tokens) {
        double experts = UniformRouting.distinctExperts(spec.numExperts(), spec.topK(), tokens);
        double projections = groups.isPresent() ? UniformRouting.distinctGroups(groups.get(), spec.topK(), tokens) : 0;
        long biases = part == LayerPart.ROUTER ? correctionBiases : 0;
        return cost(part).touched(experts, projections) + biases;
    }

    /**
     * E[D], the expected number of distinct groups among the K experts of a token under uniform routing.
     *
     * @return between 1 and min(K, G); 0 for a standard layer, which has no groups
     */
    public double expectedDistinctGroups() {
        return groups.isPresent() ? UniformRouting.distinctGroups(groups.get(), spec.topK()) : 0;
    }

    /**
     * FLOPs of one token's forward pass, with D = E[D].
     *
     * @return expected FLOPs
     */
    public double forwardFlops() {
        return forwardFlops(expectedDistinctGroups());
    }

    /**
     * FLOPs of one token's forward pass whose experts lie in D distinct groups.
     *
     * @param distinctGroups D, or its measured mean; ignored by a standard layer, which has no groups
     * @return FLOPs
     * @throws IllegalArgumentException if the layer is latent and D is not between 1 and min(K, G)
     */
    public double forwardFlops(double distinctGroups) {
        double sum = 0;
        for (LayerPart part : LayerPart.values()) {
            sum += forwardFlops(part, distinctGroups);
        }
        return sum;
    }

    /**
     * FLOPs of one part in one token's forward pass, with D = E[D].
     *
     * @param part the part
     * @return expected FLOPs; 0 for a part the layer does not have
     */
    public double forwardFlops(LayerPart part) {
        return forwardFlops(part, expectedDistinctGroups());
    }

    /**
     * FLOPs of one part in one token's forward pass whose experts lie in D distinct groups.
     *
     * @param part the part
     * @param distinctGroups D, or its measured mean; ignored by a standard layer, which has no groups
     * @return FLOPs; 0 for a part the layer does not have
     * @throws IllegalArgumentException if the layer is latent and D is not between 1 and min(K, G)
     */
    public double forwardFlops(LayerPart part, double distinctGroups) {
        groups.ifPresent(g -> {
            int most = Math.min(spec.topK(), g.numGroups());
            // E[D] is a floating-point sum, so it may miss the limits by rounding.
            Checks.check(
                    distinctGroups >= 1 - 1e-9 && distinctGroups <= most + 1e-9,
                    "distinctGroups must be between 1 and min(topK = %d, numGroups = %d), got %s",
                    spec.topK(),
                    g.numGroups(),
                    distinctGroups);
        });
        return 2 * cost(part).touched(spec.topK(), groups.isPresent() ? distinctGroups : 0);
    }

    /**
     * FLOPs of one token's backward pass: input and weight gradients, each as costly as the forward pass.
     *
     * @return 2 · {@link #forwardFlops()}
     */
    public double backwardFlops() {
        return 2 * forwardFlops();
    }

    /**
     * FLOPs of one token's backward pass whose experts lie in D distinct groups.
     *
     * @param distinctGroups D, or its measured mean; ignored by a standard layer
     * @return 2 · {@link #forwardFlops(double)}
     * @throws IllegalArgumentException if the layer is latent and D is not between 1 and min(K, G)
     */
    public double backwardFlops(double distinctGroups) {
        return 2 * forwardFlops(distinctGroups);
    }

    /**
     * Memory of the weights; correction biases are float32 whatever the format of the rest.
     *
     * @param weights the format of the weights
     * @return bytes
     * @throws IllegalArgumentException if {@code weights} is INT64
     */
    public long weightBytes(ElementType weights) {
        ElementType.checkWeights(weights);
        return Math.addExact(
                Math.multiplyExact(trainableParameters(), weights.bytes()),
                correctionBiases * ElementType.FLOAT32.bytes());
    }

    /**
     * Memory of the gradients, which have the format of the weights.
     *
     * @param weights the format of the weights
     * @return bytes
     * @throws IllegalArgumentException if {@code weights} is not a floating-point format
     */
    public long gradientBytes(ElementType weights) {
        return TrainingBytes.gradients(trainableParameters(), weights);
    }

    /**
     * Memory of AdamW's state: two float32 moments, and a float32 master copy unless the weights are float32
     * themselves.
     *
     * @param weights the format of the weights
     * @return bytes
     * @throws IllegalArgumentException if {@code weights} is not a floating-point format
     */
    public long optimizerBytes(ElementType weights) {
        return TrainingBytes.optimizer(trainableParameters(), weights);
    }

    /**
     * What stays in memory between forward and backward, tensor by tensor. Expert outputs are not among them: the
     * routing weight multiplies h before W_down, so its gradient needs h and its gradient only. Intermediates of the
     * activation are computed again from gate and up.
     *
     * <pre>
     *   x                 [T, n]      input; all there is with RECOMPUTE
     *   router_scores     [T, N]      float32
     *   routing_weights   [T, K]      float32
     *   expert_ids        [T, K]      int64, and row_token [T·K, 1], the token of every dispatched row
     *   pair_token        [T·D, 1]    int64, and row_pair [T·K, 1], the pair of every dispatched row;  latent, G &gt; 1
     *   x_pairs           [T·D, n]    x gathered per (token, group);      KEEP_GATHERED, gate or up factored, G &gt; 1
     *   x_rows            [T·K, n]    x gathered per (token, expert);     KEEP_GATHERED, gate or up dense
     *   z                 [T·D, R]    latents per (token, group);         KEEP_DISTINCT, gate or up factored
     *   z_rows            [T·K, R]    latents per (token, expert);        KEEP_GATHERED, gate or up factored
     *   gate_up           [T·K, 2m]   pre-activations; ungated up [T·K, m]
     *   h                 [T·K, m]    p · σ(gate) ⊙ up, the input of W_down
     *   s                 [T·D, r]    latent sums, the input of B_down;   down factored
     *   shared_gate_up    [T, 2·m_s]  shared_up [T, m_s] when ungated
     *   shared_h          [T, m_s]    and shared_gate [T, 1] with a sigmoid gate
     * </pre>
     *
     * @param tokens T
     * @param type the format of activations
     * @param policy which of them to keep
     * @return the tensors
     * @throws IllegalArgumentException if T is not positive or {@code type} is not a floating-point format
     */
    public List<ActivationTensor> activations(long tokens, ElementType type, ActivationPolicy policy) {
        return new LayerActivations(spec, expectedDistinctGroups(), tokens, type).list(policy);
    }

    /**
     * Memory of {@link #activations}.
     *
     * @param tokens T
     * @param type the format of activations
     * @param policy which of them to keep
     * @return expected bytes
     * @throws IllegalArgumentException if T is not positive or {@code type} is not a floating-point format
     */
    public double activationBytes(long tokens, ElementType type, ActivationPolicy policy) {
        return ActivationTensor.bytes(activations(tokens, type, policy));
    }

    /**
     * Memory of a training step.
     *
     * @param weights the format of weights and gradients
     * @param activations the format of activations
     * @param tokens T
     * @param policy which activations to keep
     * @return bytes by purpose
     * @throws IllegalArgumentException if T is not positive or a format is not floating-point
     */
    public TrainingBytes trainingBytes(
            ElementType weights, ElementType activations, long tokens, ActivationPolicy policy) {
        return new TrainingBytes(
                weightBytes(weights),
                gradientBytes(weights),
                optimizerBytes(weights),
                activationBytes(tokens, activations, policy));
    }

    /**
     * Bytes of weights that a decoding step of T tokens reads, in expectation under {@link UniformRouting}:
     *
     * <pre>
     *   router and shared expert whole, N(1 − (1 − K/N)^T) experts, Σ_g (1 − (C(N−k_g, K)/C(N, K))^T) groups
     * </pre>
     *
     * @param weights the format of the weights (correction biases are float32)
     * @param tokens T, the sequences decoded together
     * @return expected bytes
     * @throws IllegalArgumentException if T is not positive or {@code weights} is INT64
     */
    public double decodeBytes(ElementType weights, long tokens) {
        ElementType.checkWeights(weights);
        double biasBytes = (double) correctionBiases * ElementType.FLOAT32.bytes();
        return (touchedParameters(tokens) - correctionBiases) * weights.bytes() + biasBytes;
    }

    /**
     * Elements that expert parallelism moves per token, with latent projections replicated on every device.
     *
     * @return the elements each way
     */
    public ExpertTraffic traffic() {
        return ExpertTraffic.of(spec);
    }

    @Override
    public String toString() {
        return "LayerCost[parameters=" + parameters() + ", spec=" + spec + "]";
    }

    private PartCost cost(LayerPart part) {
        return parts.getOrDefault(part, PartCost.NONE);
    }
}
