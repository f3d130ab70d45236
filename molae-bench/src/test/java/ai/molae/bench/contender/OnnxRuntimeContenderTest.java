package ai.molae.bench.contender;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.torch.Precision;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The peer computes the same layer, or a comparison of speed would mean nothing. */
class OnnxRuntimeContenderTest {

    @ParameterizedTest
    @CsvSource({
        "MIXTRAL_8X7B, MOE, 17", // softmax over the chosen
        "QWEN1_5_MOE_A2_7B, MOE, 17", // not normalised; a shared expert with a sigmoid
        "QWEN3_30B_A3B, MOE, 90", // normalised
        "OLMOE_1B_7B, MOE, 1",
        "DEEPSEEK_V2_LITE, MOE, 3", // a shared expert without a sigmoid
        "PAPER, DENSE, 5",
        "AWKWARD, MOE, 17"
    })
    void computesTheSameLayer(Shape shape, Variant variant, int tokens) {
        LayerCase layer = new LayerCase(shape, Scale.TINY, variant, ExpertLoad.ZIPF, tokens);
        try (Contender peer = Implementation.ONNX_RUNTIME.open(layer, Precision.FLOAT32)) {
            assertThat(Agreement.error(layer, peer, 0)).isLessThan(1e-5);
            assertThat(Agreement.error(layer, peer, 5)).isLessThan(1e-5);
        }
    }

    @ParameterizedTest
    @CsvSource({"MIXTRAL_8X7B, 17", "QWEN1_5_MOE_A2_7B, 9", "QWEN3_30B_A3B, 1", "AWKWARD, 17"})
    void int8RoundsWeightsAndNothingElse(Shape shape, int tokens) {
        LayerCase layer = new LayerCase(shape, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, tokens);
        try (Contender peer = Implementation.ONNX_RUNTIME.open(layer, Precision.INT8)) {
            assertThat(Agreement.error(layer, peer, 0)).isBetween(1e-4, 2e-2);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "QWEN3_30B_A3B, MOLAE, FLOAT32, latent",
        "DEEPSEEK_V3, MOE, FLOAT32, SIGMOID",
        "MIXTRAL_8X7B, MOE, BFLOAT16, BFLOAT16",
        "MIXTRAL_8X7B, MOE, FLOAT16, FLOAT16"
    })
    void whatItCannotDoItRefuses(Shape shape, Variant variant, Precision precision, String reason) {
        LayerCase layer = new LayerCase(shape, Scale.TINY, variant, ExpertLoad.BALANCED, 2);
        assertThatThrownBy(() -> Implementation.ONNX_RUNTIME.open(layer, precision))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("ONNX Runtime's MoE operators cannot run this layer")
                .hasMessageContaining(reason);
    }
}
