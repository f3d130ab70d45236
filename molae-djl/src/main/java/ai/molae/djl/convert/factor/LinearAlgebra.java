package ai.molae.djl.convert.factor;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.OutOfNativeMemoryException;
import ai.molae.djl.torch.TorchOps;
import java.util.SplittableRandom;

/**
 * libtorch's linear algebra in float64. Results belong to the manager of the first argument. Optional arguments are
 * {@link ai.molae.djl.torch.TorchArguments#absent()}.
 */
final class LinearAlgebra {

    /** Vectors beyond those wanted, which make orthogonal iteration converge faster. */
    private static final int OVERSAMPLING = 32;

    private static final int MOST_ITERATIONS = 60;
    private static final double TOLERANCE = 1e-9;

    private static final TorchOps OPS = new TorchOps(LinearAlgebra.class, "weights.py", "linear.py");

    private LinearAlgebra() {}

    /** Eigenvalues in descending order, and as many eigenvectors as rows {@code [r, n]}. */
    @SuppressWarnings("ArrayRecordComponent") // a record for its brevity; nobody compares or changes it
    record Eigen(double[] values, NDArray vectors) {}

    static NDList call(String method, NDArray... arguments) {
        try (NoGrad noGrad = new NoGrad()) {
            return OPS.call(method, arguments);
        }
    }

    private static NDArray one(String method, NDArray... arguments) {
        return call(method, arguments).singletonOrThrow();
    }

    /** {@code gram += xᵀ L x} in place; x {@code [m, n]} of any floating type. */
    static void addGram(NDArray x, NDArray left, NDArray gram) {
        one("add_gram", x, left, gram).close();
    }

    /** All eigenvalues of a symmetric matrix, the largest first. */
    static double[] eigenvalues(NDArray symmetric) {
        try (NDArray values = one("eigenvalues", symmetric)) {
            return values.toDoubleArray();
        }
    }

    /**
     * The r leading eigenvectors of a positive semi-definite matrix: by orthogonal iteration from a random start if r is small beside n, which
     * needs a fraction of the memory and time of all of them, and otherwise, or where that does not converge, all of them.
     */
    static Eigen leading(NDArray symmetric, int r) {
        int n = (int) symmetric.getShape().get(0);
        if (n >= 1024 && r <= n / 8) {
            Eigen iterated = iterate(symmetric, r, n);
            if (iterated.values().length > 0) {
                return iterated;
            }
        }
        try (NDList all = call("eigen", symmetric);
                NDArray vectors = all.get(1).get("0:" + r)) {
            return new Eigen(all.get(0).toDoubleArray(), vectors.duplicate());
        }
    }

    /** No values if it does not converge. */
    private static Eigen iterate(NDArray symmetric, int r, int n) {
        int width = Math.min(n, r + OVERSAMPLING);
        NDManager manager = symmetric.getManager();
        NDArray q = start(manager, n, width);
        double before = -1;
        double[] values = {};
        boolean converged = false;
        for (int i = 0; i < MOST_ITERATIONS && !converged; i++) {
            try (NDArray former = q;
                    NDList ritz = call("iterate", symmetric, former)) {
                values = ritz.get(0).toDoubleArray();
                q = ritz.get(1).duplicate();
                q.attach(manager);
            }
            double kept = 0;
            for (int j = 0; j < r; j++) {
                kept += values[j];
            }
            converged = Math.abs(kept - before) <= TOLERANCE * Math.abs(kept);
            before = kept;
        }
        try (NDArray last = q) {
            if (!converged) {
                return new Eigen(new double[0], absent());
            }
            try (NDArray columns = last.get(":, 0:" + r);
                    NDArray rows = columns.transpose()) {
                return new Eigen(values, rows.duplicate());
            }
        }
    }

    /** The same directions in every run, whatever the engine's seed. */
    private static NDArray start(NDManager manager, int n, int width) {
        SplittableRandom random = new SplittableRandom(1);
        double[] values = new double[n * width];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextDouble() - 0.5;
        }
        try (NDArray aliased = manager.create(values, new Shape(n, width))) {
            return aliased.duplicate();
        }
    }

    /** Lower triangular S with {@code S Sᵀ = C}; fails if C is not positive definite. */
    static NDArray root(NDArray right) {
        try {
            return one("root", right);
        } catch (OutOfNativeMemoryException e) {
            throw e;
        } catch (EngineException e) {
            throw new IllegalArgumentException(
                    "second moments of inputs " + right.getShape()
                            + " are not positive definite: there are too few calibration tokens for this shrinkage; use more tokens, or a larger shrinkage",
                    e);
        }
    }

    static double trace(NDArray symmetric) {
        try (NDArray trace = one("trace", symmetric)) {
            return trace.getDouble();
        }
    }

    static NDArray whitened(NDArray gram, NDArray root) {
        return one("whitened", gram, root);
    }

    static NDArray unwhitened(NDArray vectors, NDArray root) {
        return one("unwhitened", vectors, root);
    }

    static NDArray orthonormal(NDArray rows) {
        return one("orthonormal", rows);
    }

    /** As float32 after a detour through a type that files have: 6 float32, 15 bfloat16, 5 float16. */
    static NDArray rounded(NDArray array, int scalarType) {
        try (NDArray type = ints(scalarType)) {
            return one("rounded", array, type);
        }
    }

    static NDList decoder(NDArray projection, NDArray right) {
        return call("decoder", projection, right);
    }

    static NDArray own(NDArray x, NDArray cb, NDArray root) {
        return one("own", x, cb, root);
    }

    static double[] errors(NDArray x, NDArray a, NDArray b, NDArray cb, NDArray inner, NDArray left) {
        try (NDArray numbers = one("errors", x, a, b, cb, inner, left)) {
            return numbers.toDoubleArray();
        }
    }

    /** The best approximation of a rank, float64. */
    static NDArray truncated(NDArray x, int rank) {
        try (NDArray count = ints(rank)) {
            return one("truncated", x, count);
        }
    }

    /** The leading directions of {@code x S}, {@code [count, n]} float32. */
    static NDArray directions(NDArray x, NDArray root, int count) {
        try (NDArray number = ints(count)) {
            return one("directions", x, root, number);
        }
    }

    static NDArray zeros(NDManager manager, int n) {
        return manager.zeros(new Shape(n, n), DataType.FLOAT64);
    }
}
