package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.spec.ExpertOperator;
import java.util.List;
import java.util.Optional;
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

    /** Uses a matrix, which is closed afterwards with whatever its manager owns. */
    @FunctionalInterface
    interface Use {
        void accept(Matrix matrix, NDArray x);
    }

    /** All of them, one at a time, as they are read. */
    void forEach(NDManager manager, Use use) {
        for (ExpertOperator operator : operators) {
            for (int expert : experts) {
                try (NDManager scope = manager.newSubManager()) {
                    use.accept(new Matrix(operator, expert), read(scope, operator, expert));
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
        forEach(manager, (matrix, x) -> {
            ExpertSource.checkFinite(x, matrix.expert(), matrix.operator());
            NDArray left = metric.left(x.getManager(), matrix.operator(), matrix.expert());
            LinearAlgebra.addGram(target(x), left, gram);
        });
        return gram;
    }

    /** A better projection found by iteration, {@code [r, n]} float64. */
    NDArray improved(NDManager scope, NDArray projection, LayerFactors.Iterations iterations) {
        if (iterations.equals(LayerFactors.Iterations.NONE)) {
            return projection;
        }
        NDArray best = projection;
        boolean ownWeights =
                iterations.alternatingSweeps() > 0 && !ownRight(scope, 0).isEmpty();
        FactorProblem problem = problem(scope, ownWeights);
        if (ownWeights) {
            best = AlternatingLeastSquares.sweeps(iterations.alternatingSweeps())
                    .fit(scope, problem, best)
                    .b();
        }
        if (iterations.refinementSteps() > 0) {
            NDList own = new NDList();
            for (int i = 0; i < problem.count(); i++) {
                own.add(AlternatingLeastSquares.ownFactor(scope, problem, i, best));
            }
            best = WeightRefinement.steps(iterations.refinementSteps())
                    .refine(scope, problem, own, best)
                    .b();
        }
        return best;
    }

    /** The matrices by number: operator by operator, expert by expert. The scope owns the moments they have in common, which are read once. */
    private FactorProblem problem(NDManager scope, boolean ownWeights) {
        FactorProblem problem = FactorProblem.of(operators.size() * experts.size(), (manager, i) -> {
            try (NDArray x = read(manager, operator(i), expert(i))) {
                return x.toType(DataType.FLOAT64, true);
            }
        });
        if (ownWeights) {
            problem = problem.withInputMoments(this::ownRight);
        } else {
            NDArray right = right(scope);
            if (!right.isEmpty()) {
                NDArray common = square(right);
                // Another handle each time, because it is closed.
                problem = problem.withInputMoments((manager, i) -> common.reshape(common.getShape()));
            }
        }
        try (NDManager probe = NDManager.newBaseManager("PyTorch")) {
            if (!metric.left(probe, operators.get(0), experts.get(0)).isEmpty()) {
                int m = source.spec().intermediateSize();
                problem = problem.withRowWeights((manager, i) -> {
                    NDArray weights = metric.left(manager, operator(i), expert(i));
                    return weights.getShape().dimension() == 0
                            ? manager.ones(new Shape(m), DataType.FLOAT64).mul(weights)
                            : weights;
                });
            }
        }
        return problem;
    }

    /** A matrix alone with its own weights on the shared side; empty if there are none. */
    Optional<FactorProblem> ownProblem(NDArray x, ExpertOperator operator, int expert) {
        NDArray own = metric.ownRight(x.getManager(), operator, expert);
        return own.isEmpty()
                ? Optional.empty()
                : Optional.of(FactorProblem.of(1, (manager, i) -> x.toType(DataType.FLOAT64, true))
                        .withInputMoments((manager, i) -> own));
    }

    private NDArray ownRight(NDManager manager, int index) {
        return metric.ownRight(manager, operator(index), expert(index));
    }

    private ExpertOperator operator(int index) {
        return operators.get(index / experts.size());
    }

    private int expert(int index) {
        return experts.get(index % experts.size());
    }

    /** Weights of columns as a matrix. */
    private static NDArray square(NDArray right) {
        if (right.getShape().dimension() == 2) {
            return right;
        }
        int n = (int) right.getShape().get(0);
        return right.getManager().eye(n, n, 0, DataType.FLOAT64).mul(right);
    }
}
