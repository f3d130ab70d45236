package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;

/**
 * Where the cost of a layer or a model comes from (Liu et al., arXiv 2503.23100, generalised to any partition, any
 * subset of factored operators and ungated experts):
 *
 * <pre>{@code
 * LayerCost cost = CostModel.layer(molae);
 * cost.parameters();  cost.forwardFlops();  cost.decodeBytes(ElementType.BFLOAT16, 1);
 * }</pre>
 */
public final class CostModel {

    private CostModel() {}

    /**
     * The cost of a MoE layer, standard or latent.
     *
     * @param spec the layer
     * @return its cost
     * @throws ArithmeticException if a count exceeds a {@code long}
     */
    public static LayerCost layer(MoeSpec spec) {
        return new LayerCost(spec);
    }

    /**
     * The cost of a language model.
     *
     * @param spec the model
     * @return its cost
     * @throws ArithmeticException if a count exceeds a {@code long}
     */
    public static ModelCost model(ModelSpec spec) {
        return new ModelCost(spec);
    }

    /**
     * The latent size below which a factored operator is cheaper than a dense one:
     *
     * <pre>
     *   FLOPs of a token   2·D·r·n + 2·K·m·r &lt; 2·K·m·n   ⇔  r &lt; K·m·n / (D·n + K·m)   (experts = K, groups = D)
     *   parameters           G·r·n +   N·m·r &lt;   N·m·n   ⇔  r &lt; N·m·n / (G·n + N·m)   (experts = N, groups = G)
     * </pre>
     *
     * @param hiddenSize n
     * @param intermediateSize m
     * @param experts K for FLOPs, N for parameters
     * @param groups D for FLOPs, G for parameters
     * @return the latent size at which both cost the same
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static double breakEvenLatentSize(int hiddenSize, int intermediateSize, double experts, double groups) {
        Checks.positive("hiddenSize", hiddenSize);
        Checks.positive("intermediateSize", intermediateSize);
        Checks.finitePositive("experts", experts);
        Checks.finitePositive("groups", groups);
        return experts * intermediateSize * hiddenSize / (groups * hiddenSize + experts * intermediateSize);
    }
}
