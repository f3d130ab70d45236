package ai.molae.bench.contender;

import ai.molae.bench.workload.LayerCase;
import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.LinkedHashMap;
import java.util.Map;

/** How far what an implementation computes is from the reference in plain Java, float64. */
final class Agreement {

    private Agreement() {}

    /**
     * The largest difference over all tokens of an input, as a share of the reference's largest value. NaN stays NaN.
     *
     * @param number the number of the input
     */
    static double error(LayerCase layer, Contender contender, int number) {
        int n = layer.spec().hiddenSize();
        float[] x = layer.input(number);
        double[][] rows = new double[layer.tokens()][n];
        for (int i = 0; i < x.length; i++) {
            rows[i / n][i % n] = x[i];
        }
        double[][] expected =
                new ReferenceMoe(layer.spec(), parameters(layer)).forward(rows).y();
        float[] actual = contender.output(number);
        if (actual.length != x.length) {
            throw new IllegalStateException("output has " + actual.length + " numbers, expected " + x.length);
        }
        double largest = 0;
        double difference = 0;
        for (int i = 0; i < x.length; i++) {
            largest = Math.max(largest, Math.abs(expected[i / n][i % n]));
            double error = Math.abs(expected[i / n][i % n] - actual[i]);
            difference = error <= difference ? difference : error;
        }
        return difference / largest;
    }

    private static Map<String, double[]> parameters(LayerCase layer) {
        MoeSpec spec = layer.spec();
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
