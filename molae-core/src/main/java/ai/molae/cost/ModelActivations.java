package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;

/** Lists the tensors a model keeps for backward; {@link ModelCost#activations} documents them. */
final class ModelActivations {

    private final ModelSpec spec;
    private final AttentionCost attention;
    private final long tokens;
    private final ElementType type;

    ModelActivations(ModelSpec spec, AttentionCost attention, long tokens, ElementType type) {
        Checks.check(type.differentiable(), "activations cannot be %s; use FLOAT32, BFLOAT16 or FLOAT16", type);
        this.spec = spec;
        this.attention = attention;
        this.tokens = tokens;
        this.type = type;
    }

    List<ActivationTensor> list(ActivationPolicy policy) {
        List<ActivationTensor> list = new ArrayList<>();
        list.add(tensor("token_ids", "[T, 1]", 1, ElementType.INT64));
        List<ActivationTensor> largest = List.of();
        for (int i = 0; i < spec.numLayers(); i++) {
            List<ActivationTensor> inner = layer(spec.feedForwards().get(i), policy);
            list.add(tensor("layers." + i + ".input", "[T, n]", spec.hiddenSize(), type));
            if (policy != ActivationPolicy.RECOMPUTE) {
                addPrefixed(list, "layers." + i + ".", inner);
            } else if (ActivationTensor.bytes(inner) > ActivationTensor.bytes(largest)) {
                largest = inner;
            }
        }
        addPrefixed(list, "recomputed_layer.", largest);
        list.add(tensor("final_input", "[T, n]", spec.hiddenSize(), type));
        list.add(tensor("final_norm_scale", "[T, 1]", 1, ElementType.FLOAT32));
        list.add(tensor("final_x", "[T, n]", spec.hiddenSize(), type));
        list.add(tensor("logits", "[T, V]", spec.vocabSize(), ElementType.FLOAT32));
        return List.copyOf(list);
    }

    private List<ActivationTensor> layer(FeedForwardSpec feedForward, ActivationPolicy policy) {
        List<ActivationTensor> list = new ArrayList<>();
        list.add(tensor("norm_scales", "[T, 2]", 2, ElementType.FLOAT32));
        list.add(tensor("attention.x", "[T, n]", spec.hiddenSize(), type));
        addPrefixed(list, "attention.", attention.activations(tokens, type));
        list.add(tensor("middle", "[T, n]", spec.hiddenSize(), type));
        addPrefixed(list, "feed_forward.", feedForward(feedForward, policy));
        return list;
    }

    private List<ActivationTensor> feedForward(FeedForwardSpec feedForward, ActivationPolicy policy) {
        if (feedForward instanceof MoeSpec moe) {
            // While a layer is recomputed, automatic differentiation keeps what it always keeps.
            ActivationPolicy inner = policy == ActivationPolicy.RECOMPUTE ? ActivationPolicy.KEEP_GATHERED : policy;
            return CostModel.layer(moe).activations(tokens, type, inner);
        }
        DenseSpec dense = (DenseSpec) feedForward;
        long m = dense.intermediateSize();
        return List.of(
                tensor("x", "[T, n]", dense.hiddenSize(), type),
                dense.gated() ? tensor("gate_up", "[T, 2m]", 2 * m, type) : tensor("up", "[T, m]", m, type),
                tensor("h", "[T, m]", m, type));
    }

    private ActivationTensor tensor(String name, String dimensions, long columns, ElementType tensorType) {
        return new ActivationTensor(name, dimensions, (double) tokens, columns, tensorType);
    }

    private static void addPrefixed(List<ActivationTensor> list, String prefix, List<ActivationTensor> tensors) {
        tensors.forEach(tensor -> list.add(tensor.prefixed(prefix)));
    }
}
