package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.spec.ExpertOperator;
import java.util.Arrays;
import java.util.Optional;

/**
 * The projection of a group that makes the error smallest, in closed form (Eckart and Young): with {@code G = Σ X_iᵀ L_i X_i}, {@code C = S Sᵀ} and V
 * the r leading eigenvectors of {@code Sᵀ G S},
 *
 * <pre>
 *   B = Vᵀ S⁻¹        A_i = X_i C Bᵀ (B C Bᵀ)⁻¹        error² = Σ_{j > r} λ_j
 * </pre>
 *
 * B is then given orthonormal rows, which changes no product A_i B. Without weights B = Vᵀ and A_i = X_i Bᵀ (Liu et al., arXiv 2503.23100, second step).
 */
final class SharedProjection implements AutoCloseable {

    private final GroupMatrices matrices;
    private final NDArray projection;
    private final double total;
    /** Whether own factors are fitted with the weights that experts have for themselves. */
    private final boolean ownWeights;

    private SharedProjection(GroupMatrices matrices, NDArray projection, double total, boolean ownWeights) {
        this.matrices = matrices;
        this.projection = projection;
        this.total = total;
        this.ownWeights = ownWeights;
    }

    /**
     * The spectrum of a group: λ_1 ≥ λ_2 ≥ …, n of them.
     *
     * @throws IllegalArgumentException if a matrix has elements that are not finite
     */
    static double[] spectrum(NDManager manager, GroupMatrices matrices) {
        try (NDManager scope = manager.newSubManager()) {
            return Arrays.stream(
                            LinearAlgebra.eigenvalues(weighted(scope, matrices).gram()))
                    .map(value -> Math.max(0, value))
                    .toArray();
        }
    }

    /**
     * Finds the projection.
     *
     * @param manager will own it
     * @param matrices the matrices of the group
     * @param r the latent size
     * @param scalarType as what it will be stored: 6 float32, 15 bfloat16, 5 float16
     * @param iterations what follows the closed form
     * @throws IllegalArgumentException if a matrix has elements that are not finite
     */
    static SharedProjection solve(
            NDManager manager, GroupMatrices matrices, int r, int scalarType, LayerFactors.Iterations iterations) {
        try (NDManager scope = manager.newSubManager()) {
            Weighted weighted = weighted(scope, matrices);
            double total = LinearAlgebra.trace(weighted.gram());
            NDArray best = matrices.improved(scope, closedForm(weighted, r), iterations);
            NDArray projection = LinearAlgebra.rounded(best, scalarType);
            projection.attach(manager);
            return new SharedProjection(matrices, projection, total, iterations.alternatingSweeps() > 0);
        }
    }

    private static NDArray closedForm(Weighted weighted, int r) {
        NDArray vectors = LinearAlgebra.leading(weighted.gram(), r).vectors();
        NDArray root = weighted.root();
        if (root.isEmpty()) {
            return vectors;
        }
        return root.getShape().dimension() == 2
                ? LinearAlgebra.unwhitened(vectors, root)
                : LinearAlgebra.orthonormal(vectors.div(root));
    }

    /** {@code Sᵀ G S} and S. */
    private record Weighted(NDArray gram, NDArray root) {}

    private static Weighted weighted(NDManager scope, GroupMatrices matrices) {
        NDArray gram = matrices.gram(scope);
        NDArray right = matrices.right(scope);
        if (right.isEmpty()) {
            return new Weighted(gram, right);
        }
        if (right.getShape().dimension() == 1) {
            NDArray root = right.sqrt();
            return new Weighted(gram.mul(root).mul(root.expandDims(1)), root);
        }
        NDArray root = LinearAlgebra.root(right);
        return new Weighted(LinearAlgebra.whitened(gram, root), root);
    }

    /** The same, which reads its matrices from elsewhere. */
    SharedProjection reading(ExpertSource source) {
        return new SharedProjection(matrices.reading(source), projection, total, ownWeights);
    }

    GroupMatrices matrices() {
        return matrices;
    }

    /** B {@code [r, n]} float32, as it will be stored. */
    NDArray projection() {
        return projection;
    }

    /** {@code Σ tr(L_i X_i C X_iᵀ)} over the group. */
    double total() {
        return total;
    }

    /** What the own factors of the group are computed with, {@code n r + 2 r²} float64 numbers. */
    Decoder decoder(NDManager manager) {
        try (NDManager scope = manager.newSubManager()) {
            NDList arrays = LinearAlgebra.decoder(projection, matrices.right(scope));
            arrays.attach(manager);
            return new Decoder(arrays.get(0), arrays.get(1), arrays.get(2));
        }
    }

    /** {@code C Bᵀ}, {@code B C Bᵀ} and its root. */
    record Decoder(NDArray cb, NDArray inner, NDArray root) implements AutoCloseable {
        @Override
        public void close() {
            cb.close();
            inner.close();
            root.close();
        }
    }

    /** The best own factor A_i of a matrix, {@code [m, r]} float64, which the manager of x will own. */
    NDArray own(Decoder decoder, NDArray x, ExpertOperator operator, int expert) {
        if (ownWeights) {
            Optional<FactorProblem> own = matrices.ownProblem(x, operator, expert);
            if (own.isPresent()) {
                // Closed here: it belongs to the layer's manager, which stays open for all experts.
                try (NDArray b = projection.toType(DataType.FLOAT64, true)) {
                    return AlternatingLeastSquares.ownFactor(x.getManager(), own.get(), 0, b);
                }
            }
        }
        return LinearAlgebra.own(matrices.target(x), decoder.cb(), decoder.root());
    }

    /** {@code ‖X‖²}, {@code ‖X − A B‖²} and by how much the weighted error is less than {@code tr(L X C Xᵀ)}. */
    double[] errors(NDManager scope, Decoder decoder, NDArray x, NDArray a, ExpertOperator operator, int expert) {
        return LinearAlgebra.errors(
                x,
                a,
                projection,
                decoder.cb(),
                decoder.inner(),
                matrices.metric().left(scope, operator, expert));
    }

    @Override
    public void close() {
        projection.close();
    }
}
