package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.djl.torch.TorchOps;
import java.util.List;

/**
 * Adam on the factors towards the weights, in the norm of a {@link FactorProblem} and in double, with the gradients
 *
 * <pre>
 *   ∂E/∂B = −2 Σ A_iᵀ L_i (X_i − A_i B) C_i        ∂E/∂A_i = −2 L_i (X_i − A_i B) C_i Bᵀ
 * </pre>
 *
 * <p>Targets and A are divided by the root mean square of all X_i meanwhile, the error by its norm, and the rates of A and B are relative to the root mean squares they begin with. All matrices count
 * in every step. The rate falls to zero as a cosine. At the end the A_i of the best state are fitted anew where that is better. What is given
 * back is never worse than what was given.
 *
 * <p>Where a closed form exists this gains nothing, and {@link AlternatingLeastSquares} reaches the same error in fewer passes over the matrices. Memory: five arrays of the size of all factors.
 *
 * @param steps Adam steps
 * @param learningRate the rate at the beginning, relative to the root mean square of each factor
 */
public record WeightRefinement(int steps, double learningRate) {

    private static final TorchOps OPS = new TorchOps(WeightRefinement.class, "weights.py", "refinement.py");

    private static final double BETA_1 = 0.9;
    private static final double BETA_2 = 0.99;
    private static final double EPSILON = 1e-15;

    /**
     * Factors and their errors.
     *
     * @param a the A_i, {@code [m, r]} float64, owned by the manager given
     * @param b B, {@code [r, n]} float64, owned by the manager given
     * @param errorBefore {@code sqrt(E / Σ tr(L_i X_i C_i X_iᵀ))} of what was given
     * @param errorAfter the same of what is returned
     */
    public record Factors(NDList a, NDArray b, double errorBefore, double errorAfter) {}

    /**
     * Checks the numbers.
     *
     * @param steps Adam steps
     * @param learningRate relative rate
     * @throws IllegalArgumentException if one is not positive
     */
    public WeightRefinement {
        if (steps < 1 || !(learningRate > 0 && learningRate <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("refinement needs at least 1 step and a positive, finite learning rate,"
                    + " got " + steps + ", " + learningRate);
        }
    }

    /**
     * With learning rate 0.03.
     *
     * @param steps Adam steps
     * @return the method
     */
    public static WeightRefinement steps(int steps) {
        return new WeightRefinement(steps, 0.03);
    }

    /**
     * Improves factors.
     *
     * @param manager will own the result
     * @param problem the matrices and the norm
     * @param a an A_i per matrix, {@code [m, r]}; they stay as they are
     * @param b B, {@code [r, n]}; stays as it is
     * @return the best factors found
     * @throws IllegalArgumentException if shapes do not fit or something read is not finite
     */
    public Factors refine(NDManager manager, FactorProblem problem, NDList a, NDArray b) {
        if (a.size() != problem.count()) {
            throw new IllegalArgumentException(
                    "there are " + problem.count() + " matrices, but " + a.size() + " factors of their own");
        }
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = manager.newSubManager()) {
            Run run = new Run(scope, problem, a, b);
            double before = run.descend();
            run.refit();
            run.best.forEach(array -> array.attach(manager));
            int k = problem.count();
            return new Factors(
                    run.best.subNDList(0, k), run.best.get(k), run.relative(before), run.relative(run.least));
        }
    }

    /** A_0 … A_{k−1} and B, with what Adam keeps of them. */
    private final class Run {
        private final NDManager scope;
        private final FactorProblem problem;
        private final int k;
        private final double rms;
        private final double norm;
        private final NDList factors = new NDList();
        private final NDList first = new NDList();
        private final NDList second = new NDList();
        private final NDList gradients = new NDList();
        private final double aScale;
        private final double bScale;

        /** Of the scale of the weights. */
        private NDList best = new NDList();

        private double least;

        Run(NDManager scope, FactorProblem problem, NDList a, NDArray b) {
            this.scope = scope;
            this.problem = problem;
            k = problem.count();
            double squares = 0;
            double elements = 0;
            double size = 0;
            for (int i = 0; i < k; i++) {
                try (NDManager one = scope.newSubManager()) {
                    FactorProblem.Member member = problem.read(one, i);
                    check(member.x(), i, a.get(i), b);
                    squares += squares(member.x());
                    elements += member.x().size();
                    NDArray zeroA = one.zeros(a.get(i).getShape(), DataType.FLOAT64);
                    NDArray zeroB = one.zeros(b.getShape(), DataType.FLOAT64);
                    double own = error(one, member, zeroA, zeroB, zeroA.duplicate(), zeroB.duplicate(), 1);
                    AlternatingLeastSquares.checkFinite(own, i);
                    size += own;
                }
            }
            rms = squares > 0 ? Math.sqrt(squares / elements) : 1;
            norm = size;
            double aSquares = 0;
            double aElements = 0;
            for (NDArray own : a) {
                NDArray copy = add(own);
                best.add(copy.duplicate());
                copy.divi(number(scope, rms));
                aSquares += squares(copy);
                aElements += copy.size();
            }
            NDArray shared = add(b);
            best.add(shared.duplicate());
            best.forEach(array -> array.attach(scope));
            aScale = Math.sqrt(aSquares / aElements);
            bScale = Math.sqrt(squares(shared) / shared.size());
        }

        private NDArray add(NDArray given) {
            // toType alone would give the same memory back, if it is double already.
            NDArray duplicate = given.duplicate();
            duplicate.attach(scope);
            NDArray copy = duplicate.toType(DataType.FLOAT64, false);
            copy.attach(scope);
            factors.add(copy);
            for (NDList list : List.of(first, second, gradients)) {
                list.add(scope.zeros(given.getShape(), DataType.FLOAT64));
            }
            return copy;
        }

        double relative(double error) {
            return norm == 0 ? 0 : Math.sqrt(error / norm);
        }

        /** Makes the steps; returns the error before them. */
        double descend() {
            double before = errorWithGradients();
            least = before;
            double error = before;
            for (int t = 1; t <= steps && error > 0; t++) {
                double rate = learningRate * 0.5 * (1 + Math.cos(Math.PI * (t - 1) / steps));
                for (int j = 0; j <= k; j++) {
                    adam(j, rate * (j < k ? aScale : bScale), t);
                }
                error = errorWithGradients();
                if (error < least) {
                    least = error;
                    keep();
                }
            }
            return before;
        }

        private void keep() {
            for (int j = 0; j <= k; j++) {
                factors.get(j).copyTo(best.get(j));
                if (j < k) {
                    best.get(j).muli(number(scope, rms));
                }
            }
        }

        private void adam(int j, double rate, int t) {
            try (NDManager one = scope.newSubManager()) {
                NDArray hyper = TorchArguments.floats(
                        rate, BETA_1, BETA_2, EPSILON, 1 - Math.pow(BETA_1, t), 1 - Math.pow(BETA_2, t));
                hyper.attach(one);
                OPS.call("adam", hyper, factors.get(j), gradients.get(j), first.get(j), second.get(j))
                        .attach(one);
            }
        }

        /** The error of the state in the scale of the weights; the gradients are of the relative one. */
        private double errorWithGradients() {
            gradients.forEach(gradient -> gradient.muli(0));
            double sum = 0;
            double scale = norm > 0 ? rms * rms / norm : 1;
            for (int i = 0; i < k; i++) {
                try (NDManager one = scope.newSubManager()) {
                    FactorProblem.Member member = problem.read(one, i);
                    member.x().divi(number(one, rms));
                    sum += error(
                            one, member, factors.get(i), factors.get(k), gradients.get(i), gradients.get(k), scale);
                }
            }
            return sum * rms * rms;
        }

        private double error(
                NDManager one,
                FactorProblem.Member member,
                NDArray a,
                NDArray b,
                NDArray ga,
                NDArray gb,
                double scale) {
            NDArray factor = TorchArguments.floats(scale);
            factor.attach(one);
            NDArray error = OPS.call(
                            "add_gradients",
                            member.x(),
                            member.c(),
                            member.l(),
                            a,
                            b,
                            ga,
                            gb,
                            factor.reshape(new Shape()))
                    .singletonOrThrow();
            return Math.max(0, error.getDouble());
        }

        /** The best A_i for the best B, if they are better. */
        void refit() {
            NDArray b = AlternatingLeastSquares.orthonormal(scope, best.get(k));
            NDList refitted = new NDList();
            double error = 0;
            for (int i = 0; i < k; i++) {
                NDArray a = AlternatingLeastSquares.ownFactor(scope, problem, i, b);
                refitted.add(a);
                try (NDManager one = scope.newSubManager()) {
                    FactorProblem.Member member = problem.read(one, i);
                    error += error(one, member, a, b, a.zerosLike(), b.zerosLike(), 1);
                }
            }
            if (error < least) {
                least = error;
                best = refitted.addAll(new NDList(b));
            }
        }
    }

    private static void check(NDArray x, int index, NDArray a, NDArray b) {
        AlternatingLeastSquares.checkColumns(x, index, b);
        Shape expected = new Shape(x.getShape().get(0), b.getShape().get(0));
        if (!a.getShape().equals(expected)) {
            throw new IllegalArgumentException("matrix " + index + " has shape " + x.getShape()
                    + " and the projection " + b.getShape() + ", so its factor must be " + expected + ", got "
                    + a.getShape());
        }
    }

    private static double squares(NDArray array) {
        try (NDArray sum = AlternatingLeastSquares.OPS.call("dot", array, array).singletonOrThrow()) {
            return sum.getDouble();
        }
    }

    private static NDArray number(NDManager manager, double value) {
        return manager.create(value);
    }
}
