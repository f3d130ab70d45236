package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Optional;

/**
 * The matrices of a group that are to share a projection, and the norm of the error:
 *
 * <pre>
 *   E(A, B) = Σ_i tr( L_i (X_i − A_i B) C_i (X_i − A_i B)ᵀ )
 * </pre>
 *
 * with {@code X_i = W_i} for gate and up and {@code W_iᵀ} for down. Everything is read one matrix at a time, as often as needed, so that a group need not stand in memory.
 *
 * @param count k, how many matrices
 * @param matrices X_i, {@code [m, n]}, all of one shape
 * @param inputMoments C_i, {@code [n, n]}, symmetric and positive semidefinite; empty for the identity
 * @param rowWeights L_i, {@code [m, m]}, symmetric and positive semidefinite, or its diagonal {@code [m]}; empty for the identity
 */
public record FactorProblem(int count, Arrays matrices, Optional<Arrays> inputMoments, Optional<Arrays> rowWeights) {

    /** Arrays by number. */
    @FunctionalInterface
    public interface Arrays {

        /**
         * Reads an array; the same one whenever it is asked for.
         *
         * @param manager will own it, and free it soon
         * @param index its number, from 0
         * @return float64 or float32
         */
        NDArray read(NDManager manager, int index);
    }

    /**
     * Checks the count.
     *
     * @param count k
     * @param matrices X_i
     * @param inputMoments C_i
     * @param rowWeights L_i
     * @throws IllegalArgumentException if there is no matrix
     */
    public FactorProblem {
        if (count < 1) {
            throw new IllegalArgumentException("a group needs at least 1 matrix, got " + count);
        }
    }

    /**
     * A problem in the Frobenius norm.
     *
     * @param count k
     * @param matrices X_i
     * @return the problem
     */
    public static FactorProblem of(int count, Arrays matrices) {
        return new FactorProblem(count, matrices, Optional.empty(), Optional.empty());
    }

    /**
     * The same with weights on the side that is shared.
     *
     * @param moments C_i
     * @return another problem
     */
    public FactorProblem withInputMoments(Arrays moments) {
        return new FactorProblem(count, matrices, Optional.of(moments), rowWeights);
    }

    /**
     * The same with weights on the side that is each matrix's own.
     *
     * @param weights L_i
     * @return another problem
     */
    public FactorProblem withRowWeights(Arrays weights) {
        return new FactorProblem(count, matrices, inputMoments, Optional.of(weights));
    }

    /** X_i, C_i and L_i in double; those that are not there have no elements. */
    record Member(NDArray x, NDArray c, NDArray l) {}

    Member read(NDManager scope, int index) {
        NDArray x = inDouble(scope, matrices.read(scope, index));
        if (x.getShape().dimension() != 2) {
            throw new IllegalArgumentException("matrix " + index + " has shape " + x.getShape() + ", not [m, n]");
        }
        long m = x.getShape().get(0);
        long n = x.getShape().get(1);
        NDArray c = moments(scope, index, n);
        NDArray l = rowWeights
                .map(weights -> inDouble(scope, weights.read(scope, index)))
                .orElseGet(() -> scope.zeros(new Shape(0), DataType.FLOAT64));
        if (rowWeights.isPresent()
                && !l.getShape().equals(new Shape(m))
                && !l.getShape().equals(new Shape(m, m))) {
            throw new IllegalArgumentException("matrix " + index + " has shape " + x.getShape()
                    + ", so its row weights must be [m] or [m, m], got " + l.getShape());
        }
        return new Member(x, c, l);
    }

    /** C_i in double; no elements if there is none. */
    NDArray moments(NDManager scope, int index, long n) {
        if (inputMoments.isEmpty()) {
            return scope.zeros(new Shape(0), DataType.FLOAT64);
        }
        NDArray c = inDouble(scope, inputMoments.get().read(scope, index));
        if (!c.getShape().equals(new Shape(n, n))) {
            throw new IllegalArgumentException("matrix " + index + " has " + n
                    + " columns, so its input moments must be [n, n], got " + c.getShape());
        }
        return c;
    }

    private static NDArray inDouble(NDManager scope, NDArray array) {
        NDArray result = array.toType(DataType.FLOAT64, false);
        result.attach(scope);
        return result;
    }
}
