package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NemotronLatentMoeTest {

    /** Nemotron-3 Super's layer, with other keys such files have, and Python's Infinity. */
    private static final String SUPER =
            """
            {"model_type": "nemotron_h", "hidden_size": 4096, "moe_latent_size": 1024, "moe_intermediate_size": 2688,
            "moe_shared_expert_intermediate_size": 5376, "n_routed_experts": 512, "num_experts_per_tok": 22, "n_shared_experts": 1,
            "mlp_hidden_act": "relu2", "mlp_bias": false, "norm_topk_prob": true, "routed_scaling_factor": 5.0, "n_group": 1,
            "topk_group": 1, "time_step_limit": [0.0, Infinity], "mamba_num_heads": 128, "use_bias": false, "vocab_size": 131072,
            "hybrid_override_pattern": "MEM*E-", "moe_shared_expert_overlap": false, "note": "1 < Infinity, \\"NaN\\""}
            """;

    private static final MoeSpec LAYER = MoeSpec.builder()
            .setHiddenSize(4096)
            .setIntermediateSize(2688)
            .setNumExperts(512)
            .setTopK(22)
            .optActivation(Activation.RELU_SQUARED)
            .optGated(false)
            .optRouter(RouterSpec.builder()
                    .optScoreFunction(ScoreFunction.SIGMOID)
                    .optCorrectionBias(true)
                    .optRoutedScalingFactor(5)
                    .optGroupLimit(1, 1, GroupScore.TOP2_SUM)
                    .build())
            .optSharedExpert(SharedExpertSpec.of(5376))
            .optLatent(LatentSpec.builder()
                    .setLatentSize(1024)
                    .setGroupSize(512)
                    .optFactored(ExpertOperator.UP, ExpertOperator.DOWN)
                    .build())
            .build();

    @Test
    void superHasTheLayerOfItsPaper() {
        assertThat(NemotronLatentMoe.spec(NemotronLatentMoe.parse(SUPER))).isEqualTo(LAYER);
        String without = SUPER.replace("\"moe_latent_size\": 1024", "\"moe_latent_size\": null");
        assertThat(NemotronLatentMoe.spec(NemotronLatentMoe.parse(without))).isEqualTo(LAYER.withoutLatent());
    }

    @Test
    void layersAreFoundInBothSpellings() {
        assertThat(NemotronLatentMoe.layers(NemotronLatentMoe.parse(SUPER))).containsExactly(1, 4);
        String list = SUPER.replace(
                "\"hybrid_override_pattern\": \"MEM*E-\"",
                "\"layers_block_type\": [\"mamba\", \"moe\", \"attention\"]");
        assertThat(NemotronLatentMoe.layers(NemotronLatentMoe.parse(list))).containsExactly(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> NemotronLatentMoe.layers(
                        NemotronLatentMoe.parse(SUPER.replace("hybrid_override_pattern", "pattern"))))
                .withMessageContaining("missing key layers_block_type or hybrid_override_pattern");
    }

    @Test
    void theLatentProjectionsAreLinearLayers() {
        MoeSpec small = LAYER.toBuilder()
                .setHiddenSize(6)
                .setIntermediateSize(5)
                .setNumExperts(2)
                .setTopK(1)
                .optSharedExpert(SharedExpertSpec.of(3))
                .optLatent(LatentSpec.builder()
                        .setLatentSize(4)
                        .setGroupSize(2)
                        .optFactored(ExpertOperator.UP, ExpertOperator.DOWN)
                        .build())
                .build();
        List<TensorBinding> bindings = NemotronLatentMoe.bindings(small, 7, Set.of());
        GoldenConfigTest.assertTiled(bindings);
        String mixer = "backbone.layers.7.mixer.";
        assertThat(GoldenConfigTest.shapes(bindings))
                .isEqualTo(Map.of(
                        mixer + "gate.weight", List.of(2L, 6L),
                        mixer + "gate.e_score_correction_bias", List.of(2L),
                        mixer + "fc1_latent_proj.weight", List.of(4L, 6L),
                        mixer + "experts.0.up_proj.weight", List.of(5L, 4L),
                        mixer + "experts.1.up_proj.weight", List.of(5L, 4L),
                        mixer + "experts.0.down_proj.weight", List.of(4L, 5L),
                        mixer + "experts.1.down_proj.weight", List.of(4L, 5L),
                        mixer + "fc2_latent_proj.weight", List.of(6L, 4L),
                        mixer + "shared_experts.up_proj.weight", List.of(3L, 6L),
                        mixer + "shared_experts.down_proj.weight", List.of(6L, 3L)));
        assertThat(bindings)
                .extracting(TensorBinding::parameter)
                .containsExactlyElementsOf(
                        small.parameters().stream().map(p -> p.name()).toList());
        String renamed = "model.layers.7.mixer.";
        List<TensorBinding> stacked = NemotronLatentMoe.bindings(
                small, 7, Set.of(renamed + "gate.weight", renamed + "experts.up_proj", renamed + "experts.down_proj"));
        assertThat(stacked)
                .filteredOn(binding -> binding.parameter().equals("up"))
                .flatExtracting(TensorBinding::pieces)
                .containsExactly(new Piece(renamed + "experts.up_proj", List.of(2L, 5L, 4L), 0));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            "note"                      | "latent_moe_use_norm": true, "note"  | latent_moe_use_norm = true is not implemented
            "mlp_bias": false           | "mlp_bias": true                     | mlp_bias = true is not implemented
            "n_shared_experts": 1       | "n_shared_experts": 2                | n_shared_experts = 2 is not implemented
            "mlp_hidden_act": "relu2"   | "mlp_hidden_act": "tanh"             | mlp_hidden_act = "tanh"
            "hidden_size": 4096         | "hidden_sise": 4096                  | missing key hidden_size
            "moe_latent_size": 1024     | "moe_latent_size": -1                | moe_latent_size = -1
            "moe_latent_size": 1024     | "moe_latent_siz": 4                  | moe_latent_siz = 4: this option is not implemented
            "num_experts_per_tok": 22   | "num_experts_per_tok": 513           | topK must be between 1 and numExperts = 512, got 513
            """)
    void whatIsNotImplementedIsNamed(String part, String replacement, String message) {
        assertThat(SUPER).contains(part);
        String config = SUPER.replace(part, replacement);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> NemotronLatentMoe.spec(NemotronLatentMoe.parse(config)))
                .withMessageContaining(message);
    }

    @Test
    void anotherModelTypeIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> NemotronLatentMoe.parse("{\"model_type\": \"mixtral\"}"))
                .withMessageContaining("model_type = \"mixtral\"");
    }
}
