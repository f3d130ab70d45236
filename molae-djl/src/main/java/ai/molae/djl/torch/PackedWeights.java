package ai.molae.djl.torch;

import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;

/**
 * Weights packed for inference into a TorchScript module of their own: in the layout that multiplies fastest here, in the element type of a
 * {@link Precision}. The methods of the module find them in the order in which they were added. Thread-safe once filled.
 */
public final class PackedWeights implements AutoCloseable {

    private static final float LARGEST_FLOAT16 = 65504;

    private final TorchOps module;
    private final Precision precision;
    private final Device device;
    private final long gemm;

    /**
     * No weights yet.
     *
     * @param module a module that nobody else uses; closed with this object
     * @param precision how to store weights
     * @param device where
     */
    public PackedWeights(TorchOps module, Precision precision, Device device) {
        this.module = module;
        this.precision = precision;
        this.device = device;
        this.gemm = Gemm.inference(precision, device);
    }

    /**
     * How the weights are stored.
     *
     * @return the precision
     */
    public Precision precision() {
        return precision;
    }

    /**
     * The number by which TorchScript methods know how to multiply them.
     *
     * @return the number, see {@code common.py}
     */
    public long gemm() {
        return gemm;
    }

    /**
     * Packs a matrix {@code [out, in]}, or each one of a stack {@code [N, out, in]}, behind those already there.
     *
     * @param scope owns what is read meanwhile
     * @param parameter the matrix or stack
     * @param source where its values come from
     * @throws IllegalArgumentException if a weight does not fit the precision
     */
    public void pack(NDManager scope, Parameter parameter, WeightSource source) {
        Shape shape = parameter.getShape();
        boolean stack = shape.dimension() == 3;
        long rows = stack ? WeightSource.rowsPerChunk(parameter) : shape.get(0);
        try (NoGrad noGrad = new NoGrad();
                NDArray ints = ints(gemm, precision.storageType())) {
            source.forEachChunk(scope, parameter, rows, (values, first) -> {
                checkRange(parameter.getName(), values, precision);
                try (NDArray matrices = stack ? values : values.expandDims(0)) {
                    module.call("pack", matrices, ints).close();
                }
            });
        }
    }

    /**
     * Adds a tensor as it is, in the element type of activations, for what is not multiplied as {@link #pack packed} weights are.
     *
     * @param scope owns what is read meanwhile
     * @param parameter the tensor
     * @param source where its values come from
     * @throws IllegalArgumentException if a weight does not fit the precision
     */
    public void keep(NDManager scope, Parameter parameter, WeightSource source) {
        try (NoGrad noGrad = new NoGrad();
                NDArray ints = ints(gemm, precision.storageType())) {
            source.forEachChunk(scope, parameter, parameter.getShape().get(0), (values, first) -> {
                checkRange(parameter.getName(), values, precision);
                module.call("keep", values, ints).close();
            });
        }
    }

    /**
     * Adds a table {@code [V, n]} whose rows are looked up.
     *
     * @param scope owns what is read meanwhile
     * @param parameter the table
     * @param source where its values come from
     * @throws IllegalArgumentException if a weight does not fit the precision
     */
    public void table(NDManager scope, Parameter parameter, WeightSource source) {
        try (NoGrad noGrad = new NoGrad()) {
            source.forEachChunk(scope, parameter, WeightSource.rowsPerChunk(parameter), (values, first) -> {
                checkRange(parameter.getName(), values, precision);
                try (NDArray ints =
                        ints(precision.storageType(), parameter.getShape().get(0), first)) {
                    module.call("fill_table", values, ints).close();
                }
            });
        }
    }

    /**
     * Lets a manager own the weights.
     *
     * @param manager closes them when it is closed
     */
    public void attachTo(NDManager manager) {
        manager.attachInternal("molae-weights-" + System.identityHashCode(this), this);
    }

    /**
     * Calls a method of the module.
     *
     * @param block the class of the block that asks, for messages
     * @param method the name of the method
     * @param inputs its arguments, the first an activation
     * @return the results, owned by the manager of the first input
     * @throws IllegalStateException if the weights are freed
     * @throws IllegalArgumentException if the first input is on another device
     */
    public NDList call(Class<?> block, String method, NDArray... inputs) {
        check(block, inputs[0]);
        return module.call(method, inputs);
    }

    /**
     * Refuses an input that {@link #call} would refuse.
     *
     * @param block the class of the block that asks, for messages
     * @param x the input
     * @throws IllegalStateException if the weights are freed
     * @throws IllegalArgumentException if x is on another device
     */
    public void check(Class<?> block, NDArray x) {
        if (module.isClosed()) {
            throw new IllegalStateException("the packed weights of this " + block.getSimpleName()
                    + " are freed: the manager that owned its parameters was closed, or the block cleared");
        }
        if (!x.getDevice().equals(device)) {
            throw new IllegalArgumentException(block.getSimpleName() + " was prepared for inference on " + device
                    + ", its input is on " + x.getDevice());
        }
    }

    /**
     * Refuses weights that a precision cannot hold.
     *
     * @param name what they are, for the message
     * @param values the weights
     * @param precision how to store them
     * @throws IllegalArgumentException for float16 and int8, if a weight is not finite or too large
     */
    static void checkRange(String name, NDArray values, Precision precision) {
        if (precision.isTrainable()) {
            return;
        }
        float limit = precision == Precision.FLOAT16 ? LARGEST_FLOAT16 : Float.MAX_VALUE;
        float largest;
        // No array of the size of the values: see row_scales in common.py.
        try (NDArray max = values.max();
                NDArray min = values.min()) {
            largest = Math.max(max.getFloat(), -min.getFloat());
        }
        if (!(largest <= limit)) {
            throw new IllegalArgumentException("parameter " + name + " has a value of magnitude " + largest + ", and "
                    + precision + " holds finite values up to " + limit
                    + (Float.isFinite(largest) ? "; use BFLOAT16" : "; check where the weights come from"));
        }
    }

    @Override
    public void close() {
        module.close();
    }
}
