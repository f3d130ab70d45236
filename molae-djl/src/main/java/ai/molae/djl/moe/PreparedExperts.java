package ai.molae.djl.moe;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.molae.djl.torch.PackedWeights;
import ai.molae.spec.MoeSpec;
import java.util.Map;

/** The forward pass of a layer whose experts are packed. They are packed in the order of their parameters, as {@code experts.py} wants them. */
final class PreparedExperts {

    private PreparedExperts() {}

    /**
     * The whole layer.
     *
     * @param layer the layer
     * @param weights its packed experts
     * @param tokens the tokens
     * @param parameters those that stayed parameters
     * @return y {@code [T, n]}
     */
    static NDList forward(
            MoeOps.Layer layer, PackedWeights weights, MoeOps.Tokens tokens, Map<String, NDArray> parameters) {
        MoeSpec spec = layer.spec();
        NDArray x = tokens.x();
        weights.check(MoeBlock.class, x);
        try (NDList routing = RouterOps.route(spec, tokens, parameters, Account.NOTHING);
                NDArray ints = MoeOps.expertInts(spec, layer.groups(), weights.gemm(), MoeOps.Keep.NONE);
                NDArray groupOf = MoeOps.groupOf(layer, x)) {
            NDList y =
                    weights.call(MoeBlock.class, "prepared_experts", x, routing.get(0), routing.get(1), groupOf, ints);
            if (spec.sharedExpert().isPresent()) {
                try (NDList shared = shared(spec, weights, x, parameters)) {
                    y.get(0).addi(shared.get(0));
                }
            }
            return y;
        }
    }

    private static NDList shared(MoeSpec spec, PackedWeights weights, NDArray x, Map<String, NDArray> parameters) {
        try (NDArray ints = ints(code(spec.activation()), weights.gemm(), code(spec.gated()))) {
            return weights.call(
                    MoeBlock.class, "prepared_shared", x, parameters.getOrDefault("shared_gate", absent()), ints);
        }
    }
}
