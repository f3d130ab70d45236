package ai.molae.bench.layer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Expert by expert is the same as the whole layer. */
class ReferenceTest {

    private static final int TOKENS = 3;

    @ParameterizedTest
    @CsvSource({
        "MIXTRAL_8X7B, MOE",
        "QWEN1_5_MOE_A2_7B, MOLAE_QUARTER",
        "DEEPSEEK_V3, MOLAE_EIGHT_TIED",
        "DEEPSEEK_V2_LITE, MOE",
        "AWKWARD, MOLAE_EIGHT",
        "PAPER, LATENT_MOE",
        "PAPER, DENSE"
    })
    void expertByExpertIsTheWholeLayer(Shape shape, Variant variant) {
        LayerCase layer = new LayerCase(shape, Scale.TINY, variant, ExpertLoad.BALANCED, TOKENS);
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
        ReferenceMoe whole = new ReferenceMoe(spec, parameters);
        double[][] x = new double[TOKENS][spec.hiddenSize()];
        float[] input = layer.input(5);
        for (int i = 0; i < input.length; i++) {
            x[i / spec.hiddenSize()][i % spec.hiddenSize()] = input[i];
        }
        double[][] ones = new double[TOKENS][spec.hiddenSize()];
        Arrays.stream(ones).forEach(row -> Arrays.fill(row, 1));

        // What is compared is handed over in float32.
        Reference reference = new Reference(layer);
        assertThat(reference.errorOfOutput(5, floats(whole.forward(x).y()))).isLessThan(1e-7);
        assertThat(reference.errorOfGradient(
                        5, floats(whole.backward(x, ones, 1).x())))
                .isLessThan(1e-7);
    }

    private static float[] floats(double[][] rows) {
        float[] flat = new float[rows.length * rows[0].length];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = (float) rows[i / rows[0].length][i % rows[0].length];
        }
        return flat;
    }
}
