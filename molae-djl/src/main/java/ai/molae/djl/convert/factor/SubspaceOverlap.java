package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.ExpertOperator;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * How much the spaces of every two experts have in common: {@code ‖V_i V_jᵀ‖_F² / q}, averaged over operators, with V the q leading directions of X S on the
 * shared side; 1 for the same space, q/n for independent ones.
 */
public final class SubspaceOverlap {

    private SubspaceOverlap() {}

    /**
     * Compares all experts of a layer.
     *
     * @param manager owns what is computed meanwhile: N q n float32 numbers
     * @param source the matrices
     * @param operators those to compare
     * @param metric the norm of the shared side
     * @param directions q; at most the rank of a matrix
     * @return {@code [N][N]}
     */
    public static double[][] of(
            NDManager manager, ExpertSource source, Set<ExpertOperator> operators, Metric metric, int directions) {
        int n = source.spec().numExperts();
        int q = Math.min(
                directions,
                Math.min(source.spec().intermediateSize(), source.spec().hiddenSize()));
        double[][] overlap = new double[n][n];
        List<Integer> all = IntStream.range(0, n).boxed().toList();
        for (ExpertOperator operator : operators) {
            try (NDManager scope = manager.newSubManager();
                    NoGrad noGrad = new NoGrad()) {
                add(
                        scope,
                        new GroupMatrices(source, List.of(operator), all, metric, java.util.OptionalInt.empty()),
                        q,
                        overlap);
            }
        }
        for (double[] row : overlap) {
            for (int j = 0; j < n; j++) {
                row[j] /= (double) q * operators.size();
            }
        }
        return overlap;
    }

    private static void add(NDManager scope, GroupMatrices matrices, int q, double[][] overlap) {
        NDArray right = matrices.right(scope);
        NDArray root =
                right.isEmpty() ? right : right.getShape().dimension() == 1 ? right.sqrt() : LinearAlgebra.root(right);
        List<NDArray> spaces = new ArrayList<>();
        matrices.forEach(scope, (matrix, x) -> {
            NDArray directions = LinearAlgebra.directions(x, root, q);
            directions.attach(scope);
            spaces.add(directions);
        });
        for (int i = 0; i < spaces.size(); i++) {
            for (int j = 0; j <= i; j++) {
                try (NDArray product = spaces.get(i).matMul(spaces.get(j).transpose());
                        NDArray squares = product.mul(product);
                        NDArray sum = squares.sum()) {
                    double common = sum.getFloat();
                    overlap[i][j] += common;
                    if (i != j) {
                        overlap[j][i] += common;
                    }
                }
            }
        }
    }
}
