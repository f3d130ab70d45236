package ai.molae.djl.moe;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.nn.ParameterList;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchOps;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The experts of a layer, packed for inference into a TorchScript module of their own. Thread-safe. */
final class PreparedExperts {

    /** What stays a Parameter: the router is float32 whatever the precision, and a shared expert's gate is one row. */
    private static final Set<String> NOT_PACKED = Set.of("router", "e_score_correction_bias", "shared_gate");

    private static final float LARGEST_FLOAT16 = 65504;

    private final MoeOps.Layer layer;
    private final Precision precision;
    private final Device device;
    private final long gemm;
    private final TorchOps ops;

    private PreparedExperts(MoeOps.Layer layer, Precision precision, Device device, long gemm, TorchOps ops) {
        this.layer = layer;
        this.precision = precision;
        this.device = device;
        this.gemm = gemm;
        this.ops = ops;
    }

    static boolean isPacked(String parameter) {
        return !NOT_PACKED.contains(parameter);
    }

    /**
     * Packs the parameters in their order, which is that of {@code experts} in {@code moe.py}, then frees them.
     *
     * @param layer the layer
     * @param parameters its parameters
     * @param precision how to store the weights
     * @return the experts, owned by the manager of the parameters
     */
    static PreparedExperts pack(MoeOps.Layer layer, ParameterList parameters, Precision precision) {
        List<Parameter> weights = new ArrayList<>();
        for (Parameter parameter : parameters.values()) {
            if (!parameter.isInitialized()) {
                throw new IllegalStateException(
                        "parameter " + parameter.getName() + " has no values; initialise or load the block first");
            }
            if (isPacked(parameter.getName())) {
                weights.add(parameter);
            }
        }
        NDArray first = weights.get(0).getArray();
        Device device = first.getDevice();
        long gemm = Gemm.inference(precision, device);
        TorchOps ops = MoeOps.newModule();
        try (NoGrad noGrad = new NoGrad();
                NDArray ints = ints(gemm, precision.storageType())) {
            for (Parameter weight : weights) {
                // Those of shared experts are single matrices.
                NDArray array = weight.getArray();
                Shape shape = array.getShape();
                int rank = shape.dimension();
                try (NDArray stack = array.reshape(-1, shape.get(rank - 2), shape.get(rank - 1))) {
                    ops.call("pack", stack, ints).close();
                }
            }
        } catch (RuntimeException e) {
            ops.close();
            throw e;
        }
        first.getManager().attachInternal("molae-experts-" + System.identityHashCode(ops), ops);
        weights.forEach(Parameter::close);
        return new PreparedExperts(layer, precision, device, gemm, ops);
    }

    /**
     * Refuses weights that a precision cannot hold.
     *
     * @param parameters the parameters of a layer
     * @param precision how to store them
     */
    static void checkRange(ParameterList parameters, Precision precision) {
        for (Parameter parameter : parameters.values()) {
            if (isPacked(parameter.getName()) && parameter.isInitialized()) {
                checkRange(parameter, precision);
            }
        }
    }

    private static void checkRange(Parameter weight, Precision precision) {
        if (precision.isTrainable()) {
            return;
        }
        float limit = precision == Precision.FLOAT16 ? LARGEST_FLOAT16 : Float.MAX_VALUE;
        float largest;
        try (NDArray absolute = weight.getArray().abs();
                NDArray max = absolute.max()) {
            largest = max.getFloat();
        }
        if (!(largest <= limit)) {
            throw new IllegalArgumentException("parameter " + weight.getName() + " has a value of magnitude " + largest
                    + ", and " + precision + " holds finite values up to " + limit
                    + (Float.isFinite(largest) ? "; use BFLOAT16" : "; check where the weights come from"));
        }
    }

    Precision precision() {
        return precision;
    }

    /** Refuses an x that the experts cannot compute. */
    void check(NDArray x) {
        if (ops.isClosed()) {
            throw new IllegalStateException(
                    "the packed weights of this MoeBlock are freed: the manager that owned its parameters was closed, or the block cleared");
        }
        if (!x.getDevice().equals(device)) {
            throw new IllegalArgumentException("the experts were prepared on " + device + ", x is on " + x.getDevice());
        }
    }

    void close() {
        ops.close();
    }

    /**
     * The whole layer.
     *
     * @param x {@code [T, n]} float32, on the device of the weights
     * @param parameters those that stayed parameters
     * @return y {@code [T, n]}
     */
    NDList forward(NDArray x, Map<String, NDArray> parameters) {
        MoeSpec spec = layer.spec();
        try (NDList routing = MoeOps.route(spec, x, parameters, false);
                NDArray ints = MoeOps.expertInts(spec, layer.groups(), gemm, MoeOps.Keep.NONE);
                NDArray groupOf = MoeOps.groupOf(layer, x)) {
            NDList y = ops.call("prepared_experts", x, routing.get(0), routing.get(1), groupOf, ints);
            if (spec.sharedExpert().isPresent()) {
                try (NDList shared = shared(x, parameters)) {
                    y.get(0).addi(shared.get(0));
                }
            }
            return y;
        }
    }

    private NDList shared(NDArray x, Map<String, NDArray> parameters) {
        MoeSpec spec = layer.spec();
        try (NDArray ints = ints(code(spec.activation()), gemm, code(spec.gated()))) {
            return ops.call("prepared_shared", x, parameters.getOrDefault("shared_gate", absent()), ints);
        }
    }
}
