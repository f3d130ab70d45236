package ai.molae.djl.torch;

import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Lock;

/**
 * Weights of one block packed for inference: in the layout that multiplies fastest here, in the element type of a {@link Precision}. They stand
 * in the TorchScript module of the block's operations, whose code all blocks share, under a number of their own; methods find them in the
 * order in which they were added. Thread-safe once filled.
 */
public final class PackedWeights implements AutoCloseable {

    private static final float LARGEST_FLOAT16 = 65504;

    /** From this bit on, the number of weights stands in {@link #gemm()}. */
    private static final int NUMBER_BIT = 32;

    private static final AtomicLong NUMBERS = new AtomicLong();

    private static final Cleaner CLEANER = Cleaner.create();

    private final TorchOps module;
    private final Precision precision;
    private final Device device;
    private final long number = NUMBERS.incrementAndGet();
    private final long gemm;
    /** Frees the weights, once: on {@link #close()}, or when nobody can reach this object any more. */
    private final Cleaner.Cleanable memory;

    private volatile boolean closed;

    /**
     * No weights yet.
     *
     * @param module the operations that will read them
     * @param precision how to store weights
     * @param device where
     */
    public PackedWeights(TorchOps module, Precision precision, Device device) {
        this(module, precision, device, Gemm.inference(precision, device));
    }

    /** No weights yet, for a kernel of the caller's choice. */
    PackedWeights(TorchOps module, Precision precision, Device device, long gemm) {
        this.module = module;
        this.precision = precision;
        this.device = device;
        this.gemm = gemm | number << NUMBER_BIT;
        alone(module, "open_weights", number);
        long own = number; // the cleaner must not refer to this object
        memory = CLEANER.register(this, () -> alone(module, "free_weights", own));
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
     * The number by which TorchScript methods know which weights are meant and how to multiply with them.
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
        source.forEachChunk(scope, parameter, rows, (values, first) -> {
            checkRange(parameter.getName(), values, precision);
            try (NDArray matrices = stack ? values : values.expandDims(0)) {
                pack(matrices);
            }
        });
    }

    /** Packs the matrices {@code [N, out, in]}. */
    void pack(NDArray matrices) {
        add("pack", matrices, gemm, precision.storageType());
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
        source.forEachChunk(scope, parameter, parameter.getShape().get(0), (values, first) -> {
            checkRange(parameter.getName(), values, precision);
            keep(values);
        });
    }

    /** Adds a tensor as it is, in the element type of activations. */
    void keep(NDArray values) {
        add("keep", values, gemm, precision.storageType());
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
        long rows = parameter.getShape().get(0);
        source.forEachChunk(scope, parameter, WeightSource.rowsPerChunk(parameter), (values, first) -> {
            checkRange(parameter.getName(), values, precision);
            add("fill_table", values, gemm, precision.storageType(), rows, first);
        });
    }

    private void add(String method, NDArray values, long... numbers) {
        try (NoGrad noGrad = new NoGrad();
                NDArray ints = ints(numbers)) {
            call(method, values, ints).close();
        }
    }

    /**
     * Lets a manager own the weights.
     *
     * @param manager closes them when it is closed
     */
    public void attachTo(NDManager manager) {
        manager.attachInternal("molae-weights-" + number, this);
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
        return call(method, inputs);
    }

    /** Calls a method of the module, which no other thread can meanwhile take weights out of. */
    NDList call(String method, NDArray... inputs) {
        Lock shared = module.weights().readLock();
        shared.lock();
        try {
            if (closed) {
                throw new IllegalStateException("packed weights were freed while in use");
            }
            return module.call(method, inputs);
        } finally {
            shared.unlock();
        }
    }

    /** Calls a method that changes which weights there are. */
    private static void alone(TorchOps module, String method, long number) {
        Lock exclusive = module.weights().writeLock();
        exclusive.lock();
        try (NDArray which = ints(number)) {
            module.call(method, which).close();
        } finally {
            exclusive.unlock();
        }
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
        if (closed) {
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

    /** Frees the weights, once the calls under way are done. */
    @Override
    public void close() {
        closed = true;
        memory.clean();
    }
}
