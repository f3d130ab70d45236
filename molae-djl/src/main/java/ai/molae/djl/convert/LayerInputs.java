package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;

/**
 * What a layer reads, in chunks, which need not be in memory at once.
 *
 * @param layer the layer's name in messages, such as "layer 3"
 * @param count how many chunks
 * @param hiddenSize n
 * @param reader reads a chunk
 */
public record LayerInputs(String layer, int count, int hiddenSize, Reader reader) {

    /** Reads chunks. */
    @FunctionalInterface
    public interface Reader {

        /**
         * Reads a chunk; the same whenever it is asked for.
         *
         * @param manager will own the result; who calls closes it
         * @param index its number, from 0
         * @return {@code [T, n]} float32, of any T
         */
        NDArray read(NDManager manager, int index);
    }

    /**
     * Checks the count.
     *
     * @param layer the layer's name
     * @param count how many chunks
     * @param hiddenSize n
     * @param reader reads a chunk
     * @throws IllegalArgumentException if there is no chunk
     */
    public LayerInputs {
        if (count < 1 || hiddenSize < 1) {
            throw new IllegalArgumentException("the inputs of " + layer + " need at least 1 chunk and 1 column, got "
                    + count + " and " + hiddenSize);
        }
    }

    /** A chunk, if it is as it should be. */
    NDArray checked(NDManager manager, int index) {
        NDArray x = reader.read(manager, index);
        x.attach(manager);
        if (x.getDataType() != DataType.FLOAT32
                || x.getShape().dimension() != 2
                || x.getShape().get(1) != hiddenSize) {
            throw new IllegalArgumentException("chunk " + index + " of the inputs of " + layer + " is "
                    + x.getDataType() + " of shape " + x.getShape() + ", expected FLOAT32 [T, " + hiddenSize + "]");
        }
        if (!isFinite(x)) {
            throw new IllegalArgumentException("chunk " + index + " of the inputs of " + layer
                    + " has a number that is not finite; the layers before it gave NaN or infinity");
        }
        return x;
    }

    /** Whether all elements are finite. */
    static boolean isFinite(NDArray x) {
        if (x.isEmpty()) {
            return true;
        }
        try (NDArray magnitudes = x.abs();
                NDArray largest = magnitudes.max()) {
            return Float.isFinite(largest.getFloat());
        }
    }
}
