package ai.molae.reference;

import ai.molae.route.Routing;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * The formula of the layer with every W^i = A^i B^g written out as a matrix and nothing shared between tokens, groups
 * or experts; it uses none of the code under test.
 */
final class MaterialisedMoe {

    private MaterialisedMoe() {}

    static double[][] forward(MoeSpec spec, Map<String, double[]> parameters, double[][] xTn, Routing routing) {
        double[][] yTn = new double[xTn.length][spec.hiddenSize()];
        for (int t = 0; t < xTn.length; t++) {
            for (int slot = 0; slot < spec.topK(); slot++) {
                int i = routing.experts()[t][slot];
                double p = routing.kept()[t][slot] ? routing.weights()[t][slot] : 0;
                double[][] gate = spec.gated() ? weight(spec, parameters, ExpertOperator.GATE, i) : new double[0][];
                double[][] up = weight(spec, parameters, ExpertOperator.UP, i);
                double[][] down = weight(spec, parameters, ExpertOperator.DOWN, i);
                add(yTn[t], p, expert(spec, gate, up, down, xTn[t]));
            }
            if (spec.sharedExpert().isPresent()) {
                add(yTn[t], 1, shared(spec, parameters, xTn[t]));
            }
        }
        return yTn;
    }

    /** W^i of an operator, read off the table in the Javadoc of {@link MoeSpec#parameters()}. */
    static double[][] weight(MoeSpec spec, Map<String, double[]> parameters, ExpertOperator operator, int i) {
        int n = spec.hiddenSize();
        int m = spec.intermediateSize();
        int g = spec.latent().isPresent() ? spec.expertGroups().groupOf(i) : 0;
        if (operator == ExpertOperator.DOWN) {
            double[][] own = slice(spec, parameters, "down", i);
            return spec.isFactored(operator) ? product(slice(spec, parameters, "latent_out", g), own) : own;
        }
        boolean isGate = operator == ExpertOperator.GATE;
        double[][] own;
        if (parameters.containsKey("gate_up")) {
            own = rows(slice(spec, parameters, "gate_up", i), isGate ? 0 : m, m);
        } else {
            own = slice(spec, parameters, isGate ? "gate" : "up", i);
        }
        if (!spec.isFactored(operator)) {
            return own;
        }
        int r = own[0].length;
        boolean secondInLatentIn = !isGate
                && spec.isFactored(ExpertOperator.GATE)
                && !spec.latent().orElseThrow().tiedGateUp();
        int firstRow = secondInLatentIn ? spec.latent().orElseThrow().latentSize(ExpertOperator.GATE) : 0;
        double[][] projection = rows(slice(spec, parameters, "latent_in", g), firstRow, r);
        assert projection[0].length == n;
        return product(own, projection);
    }

    private static double[] shared(MoeSpec spec, Map<String, double[]> parameters, double[] xn) {
        int m = spec.sharedExpert().orElseThrow().intermediateSize();
        double[][] gate = new double[0][];
        double[][] up;
        if (spec.gated()) {
            gate = rows(matrix(spec, parameters, "shared_gate_up"), 0, m);
            up = rows(matrix(spec, parameters, "shared_gate_up"), m, m);
        } else {
            up = matrix(spec, parameters, "shared_up");
        }
        double[] y = expert(spec, gate, up, matrix(spec, parameters, "shared_down"), xn);
        if (spec.sharedExpert().orElseThrow().sigmoidGated()) {
            double logit = apply(matrix(spec, parameters, "shared_gate"), xn)[0];
            for (int j = 0; j < y.length; j++) {
                y[j] /= 1 + Math.exp(-logit);
            }
        }
        return y;
    }

    private static double[] expert(MoeSpec spec, double[][] gate, double[][] up, double[][] down, double[] xn) {
        double[] h = apply(up, xn);
        double[] a = spec.gated() ? apply(gate, xn) : h.clone();
        for (int j = 0; j < h.length; j++) {
            h[j] = spec.activation().apply(a[j]) * (spec.gated() ? h[j] : 1);
        }
        return apply(down, h);
    }

    /** Matrix number {@code index} of a stack {@code [count, rows, columns]}. */
    private static double[][] slice(MoeSpec spec, Map<String, double[]> parameters, String name, int index) {
        List<Integer> shape = shape(spec, name);
        return unflatten(parameters.get(name), index * shape.get(1) * shape.get(2), shape.get(1), shape.get(2));
    }

    private static double[][] matrix(MoeSpec spec, Map<String, double[]> parameters, String name) {
        List<Integer> shape = shape(spec, name);
        return unflatten(parameters.get(name), 0, shape.get(0), shape.get(1));
    }

    private static List<Integer> shape(MoeSpec spec, String name) {
        return spec.parameters().stream()
                .filter(p -> p.name().equals(name))
                .map(ParameterShape::shape)
                .findFirst()
                .orElseThrow();
    }

    private static double[][] unflatten(double[] values, int offset, int rows, int columns) {
        double[][] matrix = new double[rows][columns];
        for (int row = 0; row < rows; row++) {
            System.arraycopy(values, offset + row * columns, matrix[row], 0, columns);
        }
        return matrix;
    }

    private static double[][] rows(double[][] matrix, int first, int count) {
        return Arrays.copyOfRange(matrix, first, first + count);
    }

    static double[][] product(double[][] a, double[][] b) {
        double[][] c = new double[a.length][b[0].length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < b[0].length; j++) {
                for (int k = 0; k < b.length; k++) {
                    c[i][j] += a[i][k] * b[k][j];
                }
            }
        }
        return c;
    }

    private static double[] apply(double[][] w, double[] x) {
        double[] y = new double[w.length];
        for (int row = 0; row < w.length; row++) {
            for (int j = 0; j < x.length; j++) {
                y[row] += w[row][j] * x[j];
            }
        }
        return y;
    }

    private static void add(double[] y, double p, double[] x) {
        for (int j = 0; j < y.length; j++) {
            y[j] += p * x[j];
        }
    }
}
