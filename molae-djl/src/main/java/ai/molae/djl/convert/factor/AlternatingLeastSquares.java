package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.TorchOps;
import java.util.ArrayList;
import java.util.List;

/**
 * The shared projection of matrices that have moments of their own, for which there is no closed form: minimises the error of a {@link FactorProblem} over the A_i
 * and over B in turn, all in double.
 *
 * <pre>
 *   A_i = X_i C_i Bᵀ (B C_i Bᵀ)⁻¹                          the L_i do not matter here
 *   B   solves  Σ_i A_iᵀ L_i A_i B C_i = Σ_i A_iᵀ L_i X_i C_i      conjugate gradients from the former B, preconditioned by
 *                                                          (Σ A_iᵀ L_i A_i)⁻¹ and (Σ C_i)⁻¹
 * </pre>
 *
 * <p>Neither step raises the error, nor do conjugate gradients that stop early. Where {@code B C_i Bᵀ} is singular, as for a matrix with few tokens or none, what the moments
 * do not see is fitted in the Frobenius norm.
 *
 * <p>Memory: k matrices {@code [r, r]}, some {@code [r, n]} and {@code [n, n]}, and what is read of one matrix. A sweep reads every X_i once and every C_i once per iteration.
 *
 * @param sweeps most sweeps
 * @param iterations most iterations of conjugate gradients in a sweep
 * @param tolerance a sweep's conjugate gradients end when the norm of their residual has fallen by this factor, and the sweeps when the error falls by less than this share of itself
 *     times 10⁻³
 */
public record AlternatingLeastSquares(int sweeps, int iterations, double tolerance) {

    static final TorchOps OPS = new TorchOps(AlternatingLeastSquares.class, "weights.py", "least_squares.py");

    /**
     * What was found.
     *
     * @param b B, {@code [r, n]} float64 with orthonormal rows, owned by the manager given
     * @param errors E for the given B and after each sweep, each with the best A_i; they never rise
     * @param norm {@code Σ tr(L_i X_i C_i X_iᵀ)}, to which errors are relative
     */
    public record Fit(NDArray b, List<Double> errors, double norm) {

        /**
         * The error at last.
         *
         * @return {@code sqrt(E / norm)}; 0 if the norm is
         */
        public double relativeError() {
            return norm == 0 ? 0 : Math.sqrt(errors.get(errors.size() - 1) / norm);
        }
    }

    /**
     * Checks the numbers.
     *
     * @param sweeps most sweeps
     * @param iterations most iterations in a sweep
     * @param tolerance in (0, 1)
     * @throws IllegalArgumentException if one is out of range
     */
    public AlternatingLeastSquares {
        if (sweeps < 0 || iterations < 1 || !(tolerance > 0 && tolerance < 1)) {
            throw new IllegalArgumentException("alternating least squares needs sweeps of at least 0, iterations of at"
                    + " least 1 and a tolerance in (0, 1), got " + sweeps + ", " + iterations + ", " + tolerance);
        }
    }

    /**
     * With up to 5 iterations in a sweep, and tolerance 0.01: with more of them a sweep gains little and takes longer.
     *
     * @param sweeps most sweeps
     * @return the method
     */
    public static AlternatingLeastSquares sweeps(int sweeps) {
        return new AlternatingLeastSquares(sweeps, 5, 0.01);
    }

    /**
     * Improves a projection.
     *
     * @param manager will own the result
     * @param problem the matrices and the norm
     * @param start B to start from, {@code [r, n]}, such as the closed form with {@code C = Σ C_i}; stays as it is
     * @return the best B found
     * @throws IllegalArgumentException if shapes do not fit or something read is not finite
     */
    public Fit fit(NDManager manager, FactorProblem problem, NDArray start) {
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = manager.newSubManager()) {
            NDArray b = orthonormal(scope, start);
            NDArray momentsInverse = momentsInverse(scope, problem, b.getShape().get(1));
            OwnStep step = OwnStep.of(scope, problem, b);
            List<Double> errors = new ArrayList<>(List.of(step.error()));
            double norm = step.norm();
            for (int sweep = 0; sweep < sweeps && step.error() > 0; sweep++) {
                NDManager sweepScope = scope.newSubManager();
                NDArray next = sharedStep(sweepScope, problem, step, momentsInverse, b);
                OwnStep nextStep = OwnStep.of(sweepScope, problem, next);
                // Only rounding can raise it; then there is nothing left to gain.
                if (!(nextStep.error() <= step.error())) {
                    sweepScope.close();
                    break;
                }
                boolean gains = step.error() - nextStep.error() > 1e-3 * tolerance * step.error();
                errors.add(nextStep.error());
                step.close();
                b.close();
                b = next;
                step = nextStep;
                if (!gains) {
                    break;
                }
            }
            b.attach(manager);
            return new Fit(b, List.copyOf(errors), norm);
        }
    }

    /**
     * The best own factor of a matrix for a projection.
     *
     * @param manager will own the result
     * @param problem the matrices and the norm
     * @param index i
     * @param b B with orthonormal rows, as {@link Fit} has it
     * @return A_i, {@code [m, r]} float64
     */
    public static NDArray ownFactor(NDManager manager, FactorProblem problem, int index, NDArray b) {
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = manager.newSubManager()) {
            FactorProblem.Member member = problem.read(scope, index);
            NDArray a = OPS.call("own_factor", member.x(), member.c(), b).singletonOrThrow();
            a.attach(manager);
            return a;
        }
    }

    /** The same row space, in double; r ≤ n. */
    static NDArray orthonormal(NDManager manager, NDArray b) {
        Shape shape = b.getShape();
        if (shape.dimension() != 2 || shape.get(0) > shape.get(1) || shape.get(0) < 1) {
            throw new IllegalArgumentException("a projection is [r, n] with 1 ≤ r ≤ n, got " + shape);
        }
        try (NDArray copy = b.toType(DataType.FLOAT64, true)) {
            NDArray result = OPS.call("orthonormal", copy).singletonOrThrow();
            result.attach(manager);
            return result;
        }
    }

    /** What a pass over all matrices gives: the best A_i are not kept, only what the step for B needs of them. */
    private record OwnStep(double error, double norm, NDList grams, NDArray right) implements AutoCloseable {

        static OwnStep of(NDManager scope, FactorProblem problem, NDArray b) {
            double error = 0;
            double norm = 0;
            NDList grams = new NDList();
            NDArray right = scope.zeros(b.getShape(), DataType.FLOAT64);
            for (int i = 0; i < problem.count(); i++) {
                try (NDManager one = scope.newSubManager()) {
                    FactorProblem.Member member = problem.read(one, i);
                    checkColumns(member.x(), i, b);
                    NDList parts = OPS.call("own_step", member.x(), member.c(), member.l(), b);
                    double own = parts.get(1).getDouble();
                    checkFinite(own, i);
                    error += Math.max(0, own);
                    norm += parts.get(2).getDouble();
                    NDArray gram = parts.get(3);
                    gram.attach(scope);
                    grams.add(gram);
                    right.addi(parts.get(4));
                }
            }
            return new OwnStep(error, norm, grams, right);
        }

        @Override
        public void close() {
            grams.close();
            right.close();
        }
    }

    static void checkColumns(NDArray x, int index, NDArray b) {
        if (x.getShape().get(1) != b.getShape().get(1)) {
            throw new IllegalArgumentException(
                    "matrix " + index + " has shape " + x.getShape() + ", the projection " + b.getShape());
        }
    }

    static void checkFinite(double error, int index) {
        if (!Double.isFinite(error)) {
            throw new IllegalArgumentException("the error of matrix " + index + " is " + error
                    + ": the matrix, its moments or its row weights are not finite");
        }
    }

    private static NDArray momentsInverse(NDManager scope, FactorProblem problem, long n) {
        if (problem.inputMoments().isEmpty()) {
            return scope.zeros(new Shape(0), DataType.FLOAT64);
        }
        try (NDArray sum = scope.zeros(new Shape(n, n), DataType.FLOAT64)) {
            for (int i = 0; i < problem.count(); i++) {
                try (NDManager one = scope.newSubManager()) {
                    sum.addi(problem.moments(one, i, n));
                }
            }
            NDArray inverse = OPS.call("near_inverse", sum).singletonOrThrow();
            // The preconditioner is (mean C)⁻¹.
            inverse.muli(number(scope, problem.count()));
            return inverse;
        }
    }

    /** Conjugate gradients for B, then orthonormal rows. */
    private NDArray sharedStep(
            NDManager owner, FactorProblem problem, OwnStep step, NDArray momentsInverse, NDArray former) {
        try (NDManager scope = owner.newSubManager()) {
            NDArray gramSum = scope.zeros(step.grams().head().getShape(), DataType.FLOAT64);
            step.grams().forEach(gramSum::addi);
            NDArray gramInverse = call(scope, "near_inverse", gramSum);
            NDArray b = former.duplicate();
            b.attach(scope);
            NDArray residual = step.right().sub(image(scope, problem, step.grams(), b));
            residual.attach(scope);
            NDArray z = precondition(scope, gramInverse, residual, momentsInverse);
            NDArray direction = z.duplicate();
            double product = dot(residual, z);
            double enough = tolerance * tolerance * product;
            for (int i = 0; i < iterations && product > enough; i++) {
                try (NDManager one = scope.newSubManager()) {
                    NDArray image = image(one, problem, step.grams(), direction);
                    double curvature = dot(direction, image);
                    if (!(curvature > 0)) {
                        break;
                    }
                    double length = product / curvature;
                    b.addi(times(one, direction, length));
                    residual.subi(times(one, image, length));
                    NDArray next = precondition(one, gramInverse, residual, momentsInverse);
                    double nextProduct = dot(residual, next);
                    direction.muli(number(one, nextProduct / product));
                    direction.addi(next);
                    product = nextProduct;
                }
            }
            return orthonormal(owner, b);
        }
    }

    /** {@code Σ M_i P C_i}. */
    private static NDArray image(NDManager scope, FactorProblem problem, NDList grams, NDArray p) {
        NDArray sum = scope.zeros(p.getShape(), DataType.FLOAT64);
        for (int i = 0; i < problem.count(); i++) {
            try (NDManager one = scope.newSubManager()) {
                NDArray c = problem.moments(one, i, p.getShape().get(1));
                call(one, "add_image", sum, grams.get(i), p, c);
            }
        }
        return sum;
    }

    private static NDArray precondition(
            NDManager scope, NDArray gramInverse, NDArray residual, NDArray momentsInverse) {
        try (NDArray left = gramInverse.matMul(residual)) {
            return call(scope, "weigh_right", left, momentsInverse);
        }
    }

    private static NDArray call(NDManager scope, String method, NDArray... inputs) {
        NDArray result = OPS.call(method, inputs).singletonOrThrow();
        result.attach(scope);
        return result;
    }

    private static NDArray times(NDManager scope, NDArray array, double factor) {
        NDArray result = array.mul(number(scope, factor));
        result.attach(scope);
        return result;
    }

    private static NDArray number(NDManager scope, double value) {
        return scope.create(value);
    }

    private static double dot(NDArray x, NDArray y) {
        try (NDArray result = OPS.call("dot", x, y).singletonOrThrow()) {
            return result.getDouble();
        }
    }
}
