package ai.molae.djl.convert;

import static ai.molae.djl.torch.TorchArguments.absent;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.DoubleUnaryOperator;

/**
 * The norm that follows from weights alone. The layer reads {@code x = γ ⊙ x̂} with x̂ normalised; taking the elements of x̂ for independent with variance 1,
 * rows of gate and up give independent normal numbers with variances {@code a_j² = ‖γ ⊙ w_gate,j‖²} and {@code b_j² = ‖γ ⊙ w_up,j‖²}, so that, with d_j the
 * norm of column j of down,
 *
 * <pre>
 *   C of gate and up  diag(γ²)
 *   L of up           d_j² E[σ(a_j z)²]
 *   L of gate         d_j² E[σ'(a_j z)²] b_j²
 *   L of down         E[σ(a_j z)²] b_j²               z ~ N(0, 1)
 * </pre>
 *
 * Ungated: L of up {@code d_j² E[σ'(b_j z)²]}, of down {@code E[σ(b_j z)²]}. All experts are taken for equally frequent.
 */
final class ScaleMetric implements Metric {

    private static final int POINTS = 81;
    private static final double RANGE = 6;

    private final ExpertSource source;
    private final float[] gamma;
    private final Map<Integer, Map<ExpertOperator, double[]>> lefts = new HashMap<>();

    ScaleMetric(ExpertSource source, float[] gamma) {
        this.source = source;
        this.gamma = gamma.clone();
    }

    @Override
    public NDArray right(NDManager manager, ExpertOperator operator, List<Integer> experts) {
        if (operator == ExpertOperator.DOWN) {
            return absent();
        }
        double[] squares = new double[gamma.length];
        double mean = 0;
        for (int j = 0; j < gamma.length; j++) {
            squares[j] = (double) gamma[j] * gamma[j];
            mean += squares[j] / gamma.length;
        }
        for (int j = 0; j < gamma.length; j++) {
            // Positive definite also where a weight is zero.
            squares[j] = Math.max(squares[j], 1e-8 * mean);
        }
        return copied(manager, squares);
    }

    @Override
    public NDArray left(NDManager manager, ExpertOperator operator, int expert) {
        return copied(manager, Objects.requireNonNull(lefts(expert).get(operator)));
    }

    private static NDArray copied(NDManager manager, double[] values) {
        try (NDArray aliased = manager.create(values)) {
            return aliased.duplicate();
        }
    }

    private synchronized Map<ExpertOperator, double[]> lefts(int expert) {
        return lefts.computeIfAbsent(expert, this::compute);
    }

    private Map<ExpertOperator, double[]> compute(int expert) {
        MoeSpec spec = source.spec();
        Activation activation = spec.activation();
        int m = spec.intermediateSize();
        double[] ofGate = new double[m];
        double[] ofUp = new double[m];
        double[] ofDown = new double[m];
        try (NDManager scope = NDManager.newBaseManager("PyTorch");
                NoGrad noGrad = new NoGrad()) {
            double[] up = rowNorms(scope, expert, ExpertOperator.UP);
            double[] down = rowNorms(scope, expert, ExpertOperator.DOWN);
            double[] gate = spec.gated() ? rowNorms(scope, expert, ExpertOperator.GATE) : up;
            for (int j = 0; j < m; j++) {
                double a = Math.sqrt(gate[j]);
                double value = mean(z -> square(activation.apply(a * z)));
                double slope = mean(z -> square(activation.derivative(a * z)));
                double other = spec.gated() ? up[j] : 1;
                ofDown[j] = value * other;
                ofUp[j] = down[j] * (spec.gated() ? value : slope);
                ofGate[j] = down[j] * slope * other;
            }
        }
        return Map.of(
                ExpertOperator.GATE, floored(ofGate),
                ExpertOperator.UP, floored(ofUp),
                ExpertOperator.DOWN, floored(ofDown));
    }

    /** A dead row counts little, not nothing. */
    private static double[] floored(double[] weights) {
        double mean = Arrays.stream(weights).average().orElse(0);
        return Arrays.stream(weights)
                .map(weight -> Math.max(weight, mean > 0 ? 1e-6 * mean : 1))
                .toArray();
    }

    /** Of the m rows of X: inputs of gate and up are weighted by γ. */
    private double[] rowNorms(NDManager scope, int expert, ExpertOperator operator) {
        NDArray w = source.read(scope, expert, operator).toType(DataType.FLOAT64, false);
        if (operator != ExpertOperator.DOWN) {
            double[] weights = new double[gamma.length];
            for (int j = 0; j < weights.length; j++) {
                weights[j] = gamma[j];
            }
            w = w.mul(copied(scope, weights));
        }
        int axis = operator == ExpertOperator.DOWN ? 0 : 1;
        return w.mul(w).sum(new int[] {axis}).toDoubleArray();
    }

    private static double square(double x) {
        return x * x;
    }

    /** E[f(z)] for z ~ N(0, 1), by the trapezoidal rule. */
    private static double mean(DoubleUnaryOperator f) {
        double sum = 0;
        double weights = 0;
        for (int i = 0; i < POINTS; i++) {
            double z = RANGE * (2.0 * i / (POINTS - 1) - 1);
            double density = Math.exp(-z * z / 2);
            sum += density * f.applyAsDouble(z);
            weights += density;
        }
        return sum / weights;
    }
}
