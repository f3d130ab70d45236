package ai.molae.bench.layer;

import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.torch.Precision;
import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.LinkedHashMap;
import java.util.Map;

/** The reference's opinion on a layer: plain Java, float64, on the first tokens of an input. */
final class Reference {

    private static final int TOKENS = 2;

    private final LayerCase layer;
    private final MoeSpec spec;

    Reference(LayerCase layer) {
        this.layer = layer;
        this.spec = layer.spec();
    }

    /**
     * Compares outputs.
     *
     * @param input the number of the input
     * @param output what an implementation made of it, at least {@code [TOKENS, n]}
     * @param precision the implementation's
     * @return the largest difference as a share of the reference's largest value
     * @throws IllegalStateException if that is more than the precision explains
     */
    double checkOutput(int input, float[] output, Precision precision) {
        double[][] x = tokens(layer.input(input));
        return compare(new ReferenceMoe(spec, parameters()).forward(x).y(), output, precision);
    }

    private double compare(double[][] expected, float[] actual, Precision precision) {
        double largest = 0;
        double difference = 0;
        for (int t = 0; t < expected.length; t++) {
            for (int i = 0; i < spec.hiddenSize(); i++) {
                largest = Math.max(largest, Math.abs(expected[t][i]));
                double error = Math.abs(expected[t][i] - actual[t * spec.hiddenSize() + i]);
                difference = error <= difference ? difference : error; // NaN stays
            }
        }
        double relative = difference / largest;
        if (!(relative <= tolerance(precision))) {
            throw new IllegalStateException(
                    "the result of " + layer + " in " + precision + " differs from the reference by " + relative
                            + " of its largest value, allowed are " + tolerance(precision));
        }
        return relative;
    }

    /** Rounding of products of some thousand terms; measured errors are a third of these. */
    private static double tolerance(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 1e-4;
            case FLOAT16 -> 3e-3;
            case BFLOAT16 -> 3e-2;
            case INT8 -> 1e-1;
        };
    }

    private double[][] tokens(float[] x) {
        int n = spec.hiddenSize();
        double[][] rows = new double[Math.min(TOKENS, layer.tokens())][n];
        for (int t = 0; t < rows.length; t++) {
            for (int i = 0; i < n; i++) {
                rows[t][i] = x[t * n + i];
            }
        }
        return rows;
    }

    private Map<String, double[]> parameters() {
        Map<String, double[]> parameters = new LinkedHashMap<>();
        for (ParameterShape parameter : spec.parameters()) {
            double[] values = new double[Math.toIntExact(parameter.size())];
            int at = 0;
            for (int i = 0; i < parameter.shape().get(0); i++) {
                for (float value : layer.slice(parameter, i)) {
                    values[at++] = value;
                }
            }
            parameters.put(parameter.name(), values);
        }
        return parameters;
    }
}
