package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.spec.ExpertOperator;
import java.util.List;
import java.util.OptionalInt;

/**
 * The matrices X_i {@code [m, n]} that share a projection B {@code [r, n]}: W of gate and up, Wᵀ of down, so that all of them are {@code X_i ≈ A_i B}.
 *
 * @param source where they come from
 * @param operators the operators that share it: one, or gate and up if they are tied
 * @param experts the experts of the group
 * @param metric the norm
 * @param rankReduction replace each by its best approximation of this rank; empty for the matrices as they are
 */
record GroupMatrices(
        ExpertSource source,
        List<ExpertOperator> operators,
        List<Integer> experts,
        Metric metric,
        OptionalInt rankReduction) {

    GroupMatrices reading(ExpertSource other) {
        return new GroupMatrices(other, operators, experts, metric, rankReduction);
    }

    /** A matrix of the group. */
    record Matrix(ExpertOperator operator, int expert) {}

    /** Uses a matrix and its weights, which are closed afterwards. */
    @FunctionalInterface
    interface Use {
        void accept(Matrix matrix, NDArray x, NDArray left);
    }

    /** All of them, one at a time, as they are read. */
    void forEach(NDManager manager, Use use) {
        for (ExpertOperator operator : operators) {
            for (int expert : experts) {
                try (NDManager scope = manager.newSubManager()) {
                    use.accept(
                            new Matrix(operator, expert),
                            read(scope, operator, expert),
                            metric.left(scope, operator, expert));
                }
            }
        }
    }

    /** X_i, float32. */
    NDArray read(NDManager manager, ExpertOperator operator, int expert) {
        NDArray w = source.read(manager, expert, operator);
        return operator == ExpertOperator.DOWN ? w.transpose() : w;
    }

    /** What is factored: x, or its approximation of lower rank. */
    NDArray target(NDArray x) {
        int full = (int) Math.min(x.getShape().get(0), x.getShape().get(1));
        return rankReduction.isPresent() && rankReduction.getAsInt() < full
                ? LinearAlgebra.truncated(x, rankReduction.getAsInt())
                : x;
    }

    /** C of the shared side or absent. */
    NDArray right(NDManager manager) {
        return metric.right(manager, operators.get(0), experts);
    }

    /**
     * {@code Σ X_iᵀ L_i X_i}, {@code [n, n]} float64.
     *
     * @throws IllegalArgumentException if a matrix has elements that are not finite
     */
    NDArray gram(NDManager manager) {
        NDArray gram = LinearAlgebra.zeros(manager, source.spec().hiddenSize());
        forEach(manager, (matrix, x, left) -> {
            checkFinite(matrix, x);
            LinearAlgebra.addGram(target(x), left, gram);
        });
        return gram;
    }

    private static void checkFinite(Matrix matrix, NDArray x) {
        // The sum of a float32 matrix is finite in float64 if its elements are.
        try (NDArray exact = x.toType(DataType.FLOAT64, false);
                NDArray sum = exact.sum()) {
            if (!Double.isFinite(sum.getDouble())) {
                throw new IllegalArgumentException("the matrix " + matrix.operator() + " of expert " + matrix.expert()
                        + " has elements that are not finite; repair the checkpoint before converting it");
            }
        }
    }
}
