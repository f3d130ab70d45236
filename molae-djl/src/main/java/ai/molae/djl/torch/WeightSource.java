package ai.molae.djl.torch;

import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;

/**
 * Where the values of a block's parameters come from, some rows at a time, so that a model can be filled or packed without standing in
 * memory twice.
 */
@FunctionalInterface
public interface WeightSource {

    /** How much is read at once where that is free to choose. */
    long CHUNK_BYTES = 8L << 20;

    /**
     * Reads consecutive rows of a parameter: elements along its first axis.
     *
     * @param manager will own the result
     * @param parameter which parameter
     * @param first the first row
     * @param count how many rows, at least 1
     * @return {@code [count, ...]} float32 on the manager's device; good until the next call
     */
    NDArray read(NDManager manager, Parameter parameter, long first, long count);

    /**
     * The values that the parameters have already.
     *
     * @return a source of views, which copies nothing
     */
    static WeightSource ownValues() {
        return (manager, parameter, first, count) -> {
            NDArray rows = parameter.getArray().get(new NDIndex("{}:{}", first, first + count));
            rows.attach(manager);
            return rows;
        };
    }

    /**
     * Gives a parameter its values, in chunks; it is initialised without drawing random ones.
     *
     * @param manager will own the parameter's array
     * @param parameter a parameter of known shape
     * @throws OutOfNativeMemoryException if the memory does not suffice
     */
    default void fill(NDManager manager, Parameter parameter) {
        if (!parameter.isInitialized()) {
            parameter.setInitializer((owner, shape, type) -> owner.create(shape, type));
            try {
                parameter.initialize(manager, DataType.FLOAT32);
            } catch (EngineException e) {
                throw OutOfNativeMemoryException.told(
                        e, () -> "parameter " + parameter.getName() + " " + parameter.getShape());
            }
        }
        try (NDManager scope = manager.newSubManager()) {
            long rowElements = parameter.getShape().slice(1).size();
            forEachChunk(scope, parameter, rowsPerChunk(parameter), (rows, first) -> {
                assign(rows, parameter.getArray(), first * rowElements);
            });
        }
    }

    /**
     * Reads all rows in chunks, each of which is closed before the next is read.
     *
     * @param scope owns the chunks meanwhile
     * @param parameter which parameter
     * @param rowsPerChunk rows of a chunk; the last may have less
     * @param use gets the rows and the number of the first
     */
    default void forEachChunk(NDManager scope, Parameter parameter, long rowsPerChunk, Use use) {
        long rows = parameter.getShape().get(0);
        for (long first = 0; first < rows; first += rowsPerChunk) {
            try (NDArray chunk = read(scope, parameter, first, Math.min(rowsPerChunk, rows - first))) {
                use.accept(chunk, first);
            }
        }
    }

    /**
     * Writes values into consecutive elements of an array.
     *
     * @param values the values
     * @param target a contiguous array
     * @param first the number of the first element in it
     */
    static void assign(NDArray values, NDArray target, long first) {
        try (NoGrad noGrad = new NoGrad();
                NDArray at = ints(first)) {
            CommonOps.OPS.call("assign", values, target, at).close();
        }
    }

    /**
     * How many rows of a parameter make a chunk.
     *
     * @param parameter which parameter
     * @return at least 1
     */
    static long rowsPerChunk(Parameter parameter) {
        Shape shape = parameter.getShape();
        long rowBytes = Math.max(1, shape.slice(1).size()) * Float.BYTES;
        return Math.max(1, Math.min(shape.get(0), CHUNK_BYTES / rowBytes));
    }

    /** Uses the rows of a chunk. */
    @FunctionalInterface
    interface Use {
        /**
         * Uses rows, which are closed afterwards.
         *
         * @param rows {@code [count, ...]} float32
         * @param first the number of the first row
         */
        void accept(NDArray rows, long first);
    }
}
