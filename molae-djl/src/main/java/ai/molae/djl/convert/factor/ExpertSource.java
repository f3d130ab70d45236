package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;

/** The matrices of a standard MoE layer, one at a time, so that a layer need not stand in memory. */
public interface ExpertSource {

    /**
     * The layer.
     *
     * @return its spec, without latent part
     */
    MoeSpec spec();

    /**
     * Reads a matrix.
     *
     * @param manager will own it
     * @param expert i
     * @param operator which one
     * @return float32 {@code [m, n]} for gate and up, {@code [n, m]} for down
     */
    NDArray read(NDManager manager, int expert, ExpertOperator operator);

    /**
     * Refuses a matrix that cannot be converted.
     *
     * @param matrix float32
     * @param expert whose it is
     * @param operator which one
     * @throws IllegalArgumentException if it has elements that are not finite
     */
    static void checkFinite(NDArray matrix, int expert, ExpertOperator operator) {
        // The sum of a float32 matrix is finite in float64 if its elements are.
        try (NDArray exact = matrix.toType(DataType.FLOAT64, true);
                NDArray sum = exact.sum()) {
            if (!Double.isFinite(sum.getDouble())) {
                throw new IllegalArgumentException("the matrix " + operator + " of expert " + expert
                        + " has elements that are not finite; repair the checkpoint before converting it");
            }
        }
    }
}
