package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelCostTest {

    /**
     * n = 4, 2 query heads and 1 key/value head of 2, V = 10; one dense layer (m = 3), one MoE layer (m = 3, N = 2, K =
     * 1). Attention has q 16 + k 8 + v 8 + o 16 = 48 weights; an expert, and the dense network, 36.
     */
    private static final ModelSpec TINY = ModelSpec.builder()
            .setVocabSize(10)
            .setAttention(GroupedQueryAttentionSpec.of(2, 1, 2))
            .addLayers(1, DenseSpec.swiglu(4, 3))
            .addLayers(
                    1,
                    MoeSpec.builder()
                            .setHiddenSize(4)
                            .setIntermediateSize(3)
                            .setNumExperts(2)
                            .setTopK(1)
                            .build())
            .build();

    private static final ModelCost COST = CostModel.model(TINY);

    @ParameterizedTest
    @CsvSource({
        // Counted from the tensor shapes of the checkpoints. DeepSeek-V3 and Moonlight contain the correction biases
        // (58·256 and
        // 26·64); active counts everything a token uses, embedding and head whole.
        "Mixtral-8x7B,       46702792704, 96.6, 12.88",
        "Qwen1.5-MoE-A2.7B,  14315784192, 87.0,  2.69",
        "Qwen3-30B-A3B,      30532122624, 95.0,  3.35",
        "OLMoE-1B-7B,         6919161856, 93.1,  1.28",
        "DeepSeek-V2-Lite,   15706484224, 91.6,  2.66",
        "DeepSeek-V3,       671026419200, 97.4, 37.55",
        "Moonlight-16B-A3B,  15960110208, 90.2,  2.91",
    })
    void publishedModelsHaveTheirPublishedSizes(String name, long total, double sharePercent, double activeBillions) {
        ModelCost cost = CostModel.model(ModelPresets.get(name));
        assertThat(cost.parameters()).isEqualTo(total);
        assertThat(100 * cost.routedExpertShare()).isCloseTo(sharePercent, within(0.05));
        assertThat(cost.activeParameters() / 1e9).isCloseTo(activeBillions, within(0.005));
    }

    @ParameterizedTest
    @CsvSource({"DeepSeek-V3, 14848", "Moonlight-16B-A3B, 1664", "DeepSeek-V2-Lite, 0"})
    void correctionBiasesArePartOfTheTotalButNotTrained(String name, long biases) {
        ModelCost cost = CostModel.model(ModelPresets.get(name));
        assertThat(cost.parameters() - cost.trainableParameters()).isEqualTo(biases);
        assertThat(cost.weightBytes(ElementType.BFLOAT16)).isEqualTo(2 * cost.parameters() + 2 * biases);
    }

    @Test
    void thePapersPairHas151And94MillionRoutedExpertParameters() {
        assertThat(CostModel.model(ModelPresets.PAPER_MOE).parameters(ModelPart.ROUTED_EXPERTS))
                .isEqualTo(150_994_944);
        assertThat(CostModel.model(ModelPresets.PAPER_MOLAE).parameters(ModelPart.ROUTED_EXPERTS))
                .isEqualTo(94_371_840);
    }

    @Test
    void parametersOfATinyModelAreThoseCountedByHand() {
        assertThat(COST.parametersByPart().values()).containsExactly(40L, 96L, 20L, 8L, 72L, 0L, 36L, 40L);
        assertThat(COST.parameters()).isEqualTo(312);
        assertThat(COST.activeParameters()).isEqualTo(312 - 36);
        assertThat(COST.moeLayers()).hasSize(1);
    }

    @Test
    void aTiedHeadHasNoParametersButIsMultipliedAndRead() {
        ModelCost tied =
                CostModel.model(new ModelSpec(10, 4, TINY.attention(), TINY.feedForwards(), 2048, 1e-6, true, 0.02));
        assertThat(tied.parameters()).isEqualTo(312 - 40);
        assertThat(tied.forwardFlops(5)).isEqualTo(COST.forwardFlops(5));
        assertThat(tied.decodeBytes(ElementType.BFLOAT16, ElementType.BFLOAT16, 1, 5))
                .isEqualTo(COST.decodeBytes(ElementType.BFLOAT16, ElementType.BFLOAT16, 1, 5));
    }

    @Test
    void forwardFlopsOfATinyModelAreThoseCountedByHand() {
        // Two layers of 2·48 + 2·2·5·2·2 for attention, 72 dense, 16 router, 72 for one expert, 2·10·4 for the head.
        assertThat(COST.forwardFlopsByPart(5).values()).containsExactly(0.0, 352.0, 0.0, 16.0, 72.0, 0.0, 72.0, 80.0);
        assertThat(COST.forwardFlops(5)).isEqualTo(592);
    }

    @Test
    void trainingCostsThreeForwardPassesAtTheMeanContext() {
        assertThat(COST.trainingFlops(9)).isEqualTo(3 * 592.0);
        assertThat(COST.trainingFlops(1)).isEqualTo(3 * COST.forwardFlops(1));
    }

    @Test
    void latentAttentionCountsQueryAndValueWidths() {
        ModelCost cost = CostModel.model(ModelPresets.DEEPSEEK_V3);
        double perPosition = (cost.forwardFlops(1001) - cost.forwardFlops(1)) / 1000;
        assertThat(perPosition).isEqualTo(61 * 2.0 * 128 * (192 + 128));
    }

    @Test
    void trainingBytesOfATinyModelAreThoseCountedByHand() {
        TrainingBytes bytes =
                COST.trainingBytes(ElementType.BFLOAT16, ElementType.BFLOAT16, 2, 3, ActivationPolicy.KEEP_DISTINCT);
        assertThat(bytes.weights()).isEqualTo(624);
        assertThat(bytes.gradients()).isEqualTo(624);
        assertThat(bytes.optimizer()).isEqualTo(3744);
        // Per token of a layer: input, attention.x, middle 3·4; q, k, v, output 4+2+2+4; that twice. Dense x, gate_up,
        // h 4+6+3.
        // MoE x, gate_up, h 4+6+3. final_input, final_x 8. All in 2 bytes.
        double halves = 2 * (2 * (12 + 12) + 13 + 13 + 8);
        // norm scales and log-sum-exp 2·(2+2), router scores 2, weight 1, final scale 1, logits 10: float32.
        double singles = 4 * (8 + 2 + 1 + 1 + 10);
        // token id, expert id, row token: int64.
        assertThat(bytes.activations()).isEqualTo(6 * (halves + singles + 8 * 3));
    }

    @Test
    void recomputationKeepsLayerInputsAndOneLayersTensors() {
        List<ActivationTensor> kept = COST.activations(2, 3, ElementType.BFLOAT16, ActivationPolicy.RECOMPUTE);
        assertThat(kept)
                .extracting(ActivationTensor::name)
                .contains("layers.0.input", "layers.1.input", "recomputed_layer.feed_forward.router_scores", "logits")
                .noneMatch(name -> name.startsWith("layers.") && !name.endsWith(".input"));
        assertThat(kept).allSatisfy(tensor -> assertThat(tensor.rows()).isEqualTo(6));
    }

    @Test
    void keysAndValuesTakeWhatTheAttentionCaches() {
        assertThat(COST.kvCacheBytesPerToken(ElementType.BFLOAT16)).isEqualTo(2 * 2 * 2 * 2);
        assertThat(CostModel.model(ModelPresets.MIXTRAL_8X7B).kvCacheBytesPerToken(ElementType.BFLOAT16))
                .isEqualTo(32 * 2 * 8 * 128 * 2);
        assertThat(CostModel.model(ModelPresets.DEEPSEEK_V3).kvCacheBytesPerToken(ElementType.BFLOAT16))
                .isEqualTo(61 * 576 * 2);
    }

    @Test
    void decodingReadsTouchedWeightsOneEmbeddingRowPerTokenAndTheCache() {
        // Attention 96, norms 20, dense 36, head 40, row 4, router 8, one expert 36.
        DecodeBytes one = COST.decodeBytes(ElementType.BFLOAT16, ElementType.BFLOAT16, 1, 5);
        assertThat(one).isEqualTo(new DecodeBytes(2 * 240, 5 * 16));
        assertThat(one.total()).isEqualTo(560);
        // Two tokens: 2·(1 − (1/2)²) = 1.5 experts.
        DecodeBytes two = COST.decodeBytes(ElementType.INT8, ElementType.BFLOAT16, 2, 5);
        assertThat(two.weights()).isCloseTo(96 + 20 + 36 + 40 + 8 + 8 + 1.5 * 36, within(1e-9));
        assertThat(two.cache()).isEqualTo(160);
    }

    @Test
    void oneGroupOfLatentExpertsShrinksQwen3() {
        ModelSpec molae = ModelPresets.QWEN3_30B_A3B.mapMoe(moe -> moe.withLatent(
                LatentSpec.builder().setLatentSize(768).setGroupSize(128).build()));
        ModelCost cost = CostModel.model(molae);
        assertThat(cost.parameters(ModelPart.ROUTED_EXPERTS)).isEqualTo(48L * 3 * (128 * 768 * 768 + 768 * 2048));
        ModelCost standard = CostModel.model(ModelPresets.QWEN3_30B_A3B);
        assertThat(standard.forwardFlopsByPart(1).get(ModelPart.ROUTED_EXPERTS)
                        / cost.forwardFlopsByPart(1).get(ModelPart.ROUTED_EXPERTS))
                .isCloseTo(2, within(1e-12));
    }

    @Test
    void sizesOutOfRangeAreNamed() {
        assertThatThrownBy(() -> COST.forwardFlops(0)).hasMessageContaining("context must be positive, got 0");
        assertThatThrownBy(() -> COST.trainingFlops(0)).hasMessageContaining("sequence");
        assertThatThrownBy(() -> COST.decodeBytes(ElementType.BFLOAT16, ElementType.BFLOAT16, 0, 1))
                .hasMessageContaining("batch");
        assertThatThrownBy(() -> COST.decodeBytes(ElementType.BFLOAT16, ElementType.BFLOAT16, 1, -1))
                .hasMessageContaining("context");
        assertThatThrownBy(() -> COST.kvCacheBytesPerToken(ElementType.INT64)).hasMessageContaining("INT64");
    }
}
