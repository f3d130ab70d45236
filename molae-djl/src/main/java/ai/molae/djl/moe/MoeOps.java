package ai.molae.djl.moe;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.floats;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchOps;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Map;

/**
 * The operations of a MoE layer as functions of arrays; {@link MoeBlock} holds the parameters and calls them. Autograd flows through
 * whenever it is on. Results are owned by the manager of {@code x}.
 */
final class MoeOps {

    private static final TorchOps OPS = new TorchOps(MoeOps.class, "moe.py");

    private MoeOps() {}

    /**
     * The groups of experts as the operations read them, worked out once per layer.
     *
     * @param groupOf the group of every expert, empty in a standard layer
     * @param count G, 1 in a standard layer
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Groups(long[] groupOf, int count) {

        static Groups of(MoeSpec spec) {
            if (spec.latent().isEmpty()) {
                return new Groups(new long[0], 1);
            }
            ExpertGroups groups = spec.expertGroups();
            return new Groups(
                    groups.groupOf().stream().mapToLong(Integer::longValue).toArray(), groups.numGroups());
        }
    }

    /**
     * Routes tokens to experts.
     *
     * @param spec the layer
     * @param x {@code [T, n]} float32
     * @param parameters the layer's parameters by name
     * @param withAux whether to compute the auxiliary loss
     * @return ids {@code [T, K]} int64 (N where the expert's capacity dropped the token), weights {@code [T, K]}, auxiliary loss
     *     {@code []}, tokens per expert {@code [N]} int64 counted before capacity
     */
    static NDList route(MoeSpec spec, NDArray x, Map<String, NDArray> parameters, boolean withAux) {
        RouterSpec router = spec.router();
        try (NDArray ints = ints(
                        scoreCode(router.scoreFunction()),
                        code(router.normTopkProb()),
                        spec.topK(),
                        router.nGroup(),
                        router.topkGroup(),
                        code(router.groupScore() == GroupScore.TOP2_SUM),
                        spec.capacity((int) x.getShape().get(0)),
                        code(withAux));
                NDArray floats = floats(router.routedScalingFactor(), router.auxLossCoef(), router.zLossCoef())) {
            return OPS.call(
                    "route",
                    x,
                    require(parameters, "router"),
                    parameters.getOrDefault("e_score_correction_bias", absent()),
                    ints,
                    floats);
        }
    }

    /**
     * The weighted sum of the chosen experts' outputs.
     *
     * @param spec the layer
     * @param x {@code [T, n]} float32
     * @param ids {@code [T, K]} int64; N means no expert
     * @param weights {@code [T, K]} float32
     * @param parameters the layer's parameters by name
     * @param groups the groups of the layer
     * @param precision the arithmetic of the products
     * @return {@code [T, n]} float32
     */
    static NDArray experts(
            MoeSpec spec,
            NDArray x,
            NDArray ids,
            NDArray weights,
            Map<String, NDArray> parameters,
            Groups groups,
            Precision precision) {
        try (NDArray ints = ints(
                        code(spec.activation()),
                        precision.scalarType(),
                        code(spec.isFactored(ExpertOperator.GATE)),
                        code(spec.isFactored(ExpertOperator.UP)),
                        groups.count());
                NDArray groupOf = x.getManager().create(groups.groupOf())) {
            return OPS.call(
                            "experts",
                            x,
                            ids,
                            weights,
                            groupOf,
                            parameters.getOrDefault("latent_in", absent()),
                            spec.fusedGateUp()
                                    ? require(parameters, "gate_up")
                                    : parameters.getOrDefault("gate", absent()),
                            parameters.getOrDefault("up", absent()),
                            require(parameters, "down"),
                            parameters.getOrDefault("latent_out", absent()),
                            ints)
                    .singletonOrThrow();
        }
    }

    /**
     * The shared expert's output.
     *
     * @param spec a layer with a shared expert
     * @param x {@code [T, n]} float32
     * @param parameters the layer's parameters by name
     * @param precision the arithmetic of the products
     * @return {@code [T, n]} float32
     */
    static NDArray shared(MoeSpec spec, NDArray x, Map<String, NDArray> parameters, Precision precision) {
        try (NDArray ints = ints(code(spec.activation()), precision.scalarType(), code(spec.gated()))) {
            return OPS.call(
                            "shared",
                            x,
                            require(parameters, spec.gated() ? "shared_gate_up" : "shared_up"),
                            require(parameters, "shared_down"),
                            parameters.getOrDefault("shared_gate", absent()),
                            ints)
                    .singletonOrThrow();
        }
    }

    /** A parameter that every layer of this form has. */
    static NDArray require(Map<String, NDArray> parameters, String name) {
        NDArray array = parameters.get(name);
        if (array == null) {
            throw new IllegalArgumentException("no parameter " + name + ", only " + parameters.keySet());
        }
        return array;
    }

    private static long scoreCode(ScoreFunction scoreFunction) {
        return switch (scoreFunction) {
            case SOFTMAX -> 0;
            case SOFTMAX_OVER_CHOSEN -> 1;
            case SIGMOID -> 2;
        };
    }
}
