package ai.molae.djl.convert.calibrate;

import ai.molae.reference.ReferenceMoe;
import ai.molae.route.Routing;
import ai.molae.spec.MoeSpec;
import java.util.Map;

/** The moments of a standard layer as their definition has them, token by token in double. */
final class ReferenceMoments {

    final long[] counts;
    final double[] gateMass;
    final double[] softMass;
    final double[] outputNorm;
    final double[] weightedOutputNorm;
    final long[][] coActivation;
    final double[][] input;
    final double[][][] expertInputs;
    final double[][][] down;
    final double[][][] up;
    final double[][][] gate;

    private final MoeSpec spec;
    private final double[] upStack;
    private final double[] downStack;

    ReferenceMoments(MoeSpec spec, Map<String, double[]> parameters, double[][] xTn) {
        this.spec = spec;
        upStack = parameters.get(spec.gated() ? "gate_up" : "up");
        downStack = parameters.get("down");
        int n = spec.hiddenSize();
        int m = spec.intermediateSize();
        int experts = spec.numExperts();
        counts = new long[experts];
        gateMass = new double[experts];
        softMass = new double[experts];
        outputNorm = new double[experts];
        weightedOutputNorm = new double[experts];
        coActivation = new long[experts][experts];
        input = new double[n][n];
        expertInputs = new double[experts][n][n];
        down = new double[experts][m][m];
        up = new double[experts][m][m];
        gate = new double[experts][m][m];
        Routing routing = new ReferenceMoe(spec, parameters).forward(xTn).routing();
        for (int t = 0; t < xTn.length; t++) {
            addOuter(1, xTn[t], input);
            for (int i = 0; i < experts; i++) {
                softMass[i] += routing.probabilities()[t][i];
            }
            for (int k = 0; k < spec.topK(); k++) {
                int i = routing.experts()[t][k];
                for (int other : routing.experts()[t]) {
                    coActivation[i][other]++;
                }
                visit(i, routing.weights()[t][k], xTn[t]);
            }
        }
        for (int i = 0; i < experts; i++) {
            outputNorm[i] /= Math.max(1, counts[i]);
            weightedOutputNorm[i] /= Math.max(1, counts[i]);
        }
    }

    private void visit(int i, double p, double[] x) {
        int m = spec.intermediateSize();
        double[] g = new double[m];
        double[] u = new double[m];
        double[] h = new double[m];
        double[] a = new double[m];
        double[] b = new double[m];
        for (int j = 0; j < m; j++) {
            int rows = spec.gated() ? 2 * m : m;
            g[j] = dot(upStack, i * rows + j, x);
            u[j] = spec.gated() ? dot(upStack, i * rows + m + j, x) : g[j];
            double act = spec.activation().apply(g[j]);
            double derivative = slope(g[j]);
            h[j] = spec.gated() ? act * u[j] : act;
            a[j] = spec.gated() ? act : derivative;
            b[j] = derivative * u[j];
        }
        double square = 0;
        for (int row = 0; row < spec.hiddenSize(); row++) {
            double y = 0;
            for (int j = 0; j < m; j++) {
                y += down(i, row, j) * h[j];
            }
            square += y * y;
        }
        counts[i]++;
        gateMass[i] += p;
        outputNorm[i] += Math.sqrt(square);
        weightedOutputNorm[i] += p * Math.sqrt(square);
        addOuter(1, x, expertInputs[i]);
        addOuter(p * p, h, down[i]);
        for (int j = 0; j < m; j++) {
            for (int k = 0; k < m; k++) {
                double through = 0;
                for (int row = 0; row < spec.hiddenSize(); row++) {
                    through += down(i, row, j) * down(i, row, k);
                }
                up[i][j][k] += p * p * a[j] * a[k] * through;
                gate[i][j][k] += p * p * b[j] * b[k] * through;
            }
        }
    }

    /** σ' by central differences, which no formula of a derivative can share a mistake with. */
    private double slope(double v) {
        double step = 1e-6;
        return (spec.activation().apply(v + step) - spec.activation().apply(v - step)) / (2 * step);
    }

    private double down(int i, int row, int column) {
        int m = spec.intermediateSize();
        return downStack[(i * spec.hiddenSize() + row) * m + column];
    }

    private static double dot(double[] stack, int row, double[] x) {
        double sum = 0;
        for (int c = 0; c < x.length; c++) {
            sum += stack[row * x.length + c] * x[c];
        }
        return sum;
    }

    private static void addOuter(double factor, double[] v, double[][] sum) {
        for (int j = 0; j < v.length; j++) {
            for (int k = 0; k < v.length; k++) {
                sum[j][k] += factor * v[j] * v[k];
            }
        }
    }

    static double[] flat(double[][] rows) {
        return java.util.Arrays.stream(rows)
                .flatMapToDouble(java.util.Arrays::stream)
                .toArray();
    }

    static double[] diagonal(double[][] square) {
        double[] diagonal = new double[square.length];
        for (int j = 0; j < diagonal.length; j++) {
            diagonal[j] = square[j][j];
        }
        return diagonal;
    }
}
