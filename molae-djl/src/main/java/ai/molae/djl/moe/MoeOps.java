package ai.molae.djl.moe;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.djl.torch.Adapters;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.djl.torch.TorchOps;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.List;
import java.util.Map;

/**
 * The operations of a MoE layer as functions of arrays, but for routing ({@link RouterOps}); {@link MoeBlock} holds the parameters and calls them. Autograd flows through
 * whenever it is on. Results are owned by the manager of {@code x}.
 */
final class MoeOps {

    static final TorchOps OPS = new TorchOps(MoeOps.class, "experts.py", "router.py", "layer.py");

    /** The parameters that {@link #expertsBackward} adds gradients to. */
    private static final List<String> EXPERT_STACKS =
            List.of("latent_in", "gate_up", "gate", "up", "down", "latent_out");

    /** The stacks in the order in which {@code adapted_experts_of} has them. */
    private static final List<String> ADAPTED = List.of("latent_in", "gate", "up", "down", "latent_out");

    private static final List<String> ADAPTED_FUSED = List.of("latent_in", "gate_up", "up", "down", "latent_out");

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

    /** What the expert operations keep for {@link #expertsBackward}. */
    enum Keep {
        /** There will be no such backward pass. */
        NONE(0),
        /** Latents, latent sums, and the products of gate and up. */
        ACTIVATIONS(1),
        /** Nothing; the backward pass computes the same again, bit by bit. */
        NOTHING(2);

        private final int number;

        Keep(int number) {
            this.number = number;
        }
    }

    /**
     * What a layer reads.
     *
     * @param x {@code [T, n]} float32
     * @param mask {@code [T]}, 0 for padding, which counts in no statistics; {@link TorchArguments#absent()} for none
     * @param sequenceLength tokens of each sequence
     */
    record Tokens(NDArray x, NDArray mask, long sequenceLength) {

        Tokens with(NDArray other) {
            return new Tokens(other, mask, sequenceLength);
        }

        /** How many are no padding; there must be a mask. */
        long real() {
            try (NDArray real = mask.neq(0);
                    NDArray ones = real.toType(DataType.INT64, false);
                    NDArray sum = ones.sum()) {
                return sum.getLong();
            }
        }
    }

    /**
     * What the expert operations need to know of a layer.
     *
     * @param spec the layer
     * @param groups its groups
     * @param precision the arithmetic of the products
     */
    record Layer(MoeSpec spec, Groups groups, Precision precision) {}

    /**
     * The whole layer, under the current gradient mode.
     *
     * @param layer the layer
     * @param tokens the tokens
     * @param parameters the layer's parameters by name
     * @param account what to return besides y
     * @return y {@code [T, n]}, and with statistics aux {@code []} and load {@code [N]}, and if pooled probabilities {@code [N]}
     */
    static NDList forward(Layer layer, Tokens tokens, Map<String, NDArray> parameters, Account account) {
        NDArray x = tokens.x();
        NDList routing = RouterOps.route(layer.spec(), tokens, parameters, account);
        try (NDArray ids = routing.get(0);
                NDArray weights = routing.get(1)) {
            long gemm = Gemm.training(layer.precision(), x.getDevice());
            NDArray y =
                    experts(layer, gemm, x, ids, weights, parameters, Keep.NONE).singletonOrThrow();
            NDList result = new NDList(plusShared(layer, x, y, parameters));
            result.addAll(account.settle(routing));
            return result;
        }
    }

    /** y plus the shared expert's output, if there is one; y is closed. */
    private static NDArray plusShared(Layer layer, NDArray x, NDArray y, Map<String, NDArray> parameters) {
        if (layer.spec().sharedExpert().isEmpty()) {
            return y;
        }
        try (NDArray routed = y;
                NDArray shared = shared(layer.spec(), x, parameters, layer.precision())) {
            return routed.add(shared);
        }
    }

    /**
     * The weighted sum of the chosen experts' outputs. Autograd flows through if it is on.
     *
     * @param layer the layer
     * @param gemm how to multiply, of {@link Gemm#training}
     * @param x {@code [T, n]} float32
     * @param ids {@code [T, K]} int64; N means no expert
     * @param weights {@code [T, K]} float32
     * @param parameters the layer's parameters by name
     * @param keep what to return besides y
     * @return {@code [T, n]} float32, and what was kept: arrays of element types that DJL does not know, only to be handed on and closed
     */
    static NDList experts(
            Layer layer,
            long gemm,
            NDArray x,
            NDArray ids,
            NDArray weights,
            Map<String, NDArray> parameters,
            Keep keep) {
        NDList routed = new NDList(x, ids, weights);
        if (!adaptsExperts(parameters)) {
            return call("experts_of", layer, gemm, keep, parameters, routed, new NDList());
        }
        List<String> stacks = layer.spec().fusedGateUp() ? ADAPTED_FUSED : ADAPTED;
        try (NDManager scope = x.getManager().newSubManager()) {
            NDList adapters = Adapters.list(scope, parameters, stacks);
            return call("adapted_experts_of", layer, Adapters.followed(gemm), keep, parameters, routed, adapters);
        }
    }

    /** Whether one of the routed experts' stacks has an adapter, for which {@link #expertsBackward} does not care. */
    static boolean adaptsExperts(Map<String, NDArray> parameters) {
        return Adapters.anyOf(parameters, EXPERT_STACKS);
    }

    /**
     * The backward pass of {@link #experts} without autograd; adds to the gradients of the expert parameters in place.
     *
     * @param layer the layer
     * @param gemm as in the forward pass
     * @param x as in the forward pass
     * @param ids as in the forward pass
     * @param weights as in the forward pass
     * @param gy the gradient of y, {@code [T, n]} float32
     * @param parameters the layer's parameters by name, those that train with a gradient
     * @param kept what the forward pass kept; empty to compute it again
     * @return the gradients of x {@code [T, n]} and of weights {@code [T, K]}
     */
    static NDList expertsBackward(
            Layer layer,
            long gemm,
            NDArray x,
            NDArray ids,
            NDArray weights,
            NDArray gy,
            Map<String, NDArray> parameters,
            NDList kept) {
        Keep keep = kept.isEmpty() ? Keep.NOTHING : Keep.ACTIVATIONS;
        NDList routed = new NDList(x, ids, weights, gy);
        return call("experts_backward", layer, gemm, keep, parameters, routed, TorchArguments.list(kept));
    }

    /** Whether autograd has to give these parameters a gradient before {@link #expertsBackward} may add to it. */
    static void giveGradients(Map<String, NDArray> parameters) {
        for (String name : EXPERT_STACKS) {
            NDArray stack = parameters.get(name);
            if (stack != null) {
                OPS.call("first_gradient", stack).close();
            }
        }
    }

    /** Writes the values of an array into another, in place. */
    static void assign(NDArray target, NDArray source) {
        try (NDArray from = ints(0)) {
            OPS.call("assign", source, target, from).close();
        }
    }

    /** Calls a method that takes some arrays, the groups, the layer's stacks and numbers, and some more arrays. */
    private static NDList call(
            String method,
            Layer layer,
            long gemm,
            Keep keep,
            Map<String, NDArray> parameters,
            NDList before,
            NDList after) {
        MoeSpec spec = layer.spec();
        try (NDArray ints = expertInts(spec, layer.groups(), gemm, keep);
                NDArray groupOf = groupOf(layer, before.get(0))) {
            NDList arguments = new NDList(before);
            arguments.add(groupOf);
            arguments.add(parameters.getOrDefault("latent_in", absent()));
            arguments.add(
                    spec.fusedGateUp() ? require(parameters, "gate_up") : parameters.getOrDefault("gate", absent()));
            arguments.add(parameters.getOrDefault("up", absent()));
            arguments.add(require(parameters, "down"));
            arguments.add(parameters.getOrDefault("latent_out", absent()));
            arguments.add(ints);
            arguments.addAll(after);
            return OPS.call(method, arguments.toArray(new NDArray[0]));
        }
    }

    /** The group of every expert, on the device of x, owned by its manager. */
    static NDArray groupOf(Layer layer, NDArray x) {
        return x.getManager().create(layer.groups().groupOf()).toDevice(x.getDevice(), false);
    }

    static NDArray expertInts(MoeSpec spec, Groups groups, long gemm, Keep keep) {
        return ints(
                code(spec.activation()),
                gemm,
                keep.number,
                spec.numExperts(),
                code(spec.gated()),
                code(spec.fusedGateUp()),
                code(spec.isFactored(ExpertOperator.GATE)),
                code(spec.isFactored(ExpertOperator.UP)),
                code(spec.isFactored(ExpertOperator.DOWN)),
                groups.count(),
                spec.latentInSize(),
                spec.isFactored(ExpertOperator.GATE) ? spec.expertWidth(ExpertOperator.GATE) : 0,
                spec.isFactored(ExpertOperator.DOWN) ? spec.expertWidth(ExpertOperator.DOWN) : 0);
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
        List<String> matrices = List.of(spec.gated() ? "shared_gate_up" : "shared_up", "shared_down");
        boolean adapted = Adapters.anyOf(parameters, matrices);
        long gemm = Gemm.training(precision, x.getDevice());
        try (NDArray ints =
                        ints(code(spec.activation()), adapted ? Adapters.followed(gemm) : gemm, code(spec.gated()));
                NDManager scope = x.getManager().newSubManager()) {
            NDList arguments = new NDList(x);
            matrices.forEach(name -> arguments.add(require(parameters, name)));
            arguments.add(parameters.getOrDefault("shared_gate", absent()));
            arguments.add(ints);
            if (adapted) {
                arguments.addAll(Adapters.list(scope, parameters, matrices));
            }
            return OPS.call(adapted ? "adapted_shared" : "shared", arguments.toArray(new NDArray[0]))
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
}
