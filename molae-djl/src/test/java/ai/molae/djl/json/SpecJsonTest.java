package ai.molae.djl.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.testing.RandomSpecs;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SpecJsonTest {

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(8)
            .setIntermediateSize(6)
            .setNumExperts(4)
            .setTopK(2)
            .optLatent(LatentSpec.builder().setLatentSize(3).setGroupSize(2).build())
            .build();

    private static final ModelSpec MODEL = ModelSpec.builder()
            .setVocabSize(100)
            .setAttention(new LatentAttentionSpec(2, 0, 5, 4, 2, 4, 1e4))
            .addLayers(1, DenseSpec.swiglu(8, 16))
            .addLayers(2, MOE)
            .build();

    @Test
    void layersComeBackEqual() {
        SplittableRandom random = new SplittableRandom(4);
        for (int i = 0; i < 500; i++) {
            MoeSpec spec = RandomSpecs.next(random);
            assertThat(SpecJson.parseMoe(SpecJson.toJson(spec))).isEqualTo(spec);
        }
    }

    @Test
    void modelsComeBackEqual() {
        for (String name : ModelPresets.names()) {
            ModelSpec preset = ModelPresets.get(name);
            assertThat(SpecJson.parseModel(SpecJson.toJson(preset))).as(name).isEqualTo(preset);
        }
        SplittableRandom random = new SplittableRandom(5);
        for (QkNorm norm : QkNorm.values()) {
            MoeSpec moe = RandomSpecs.next(random);
            ModelSpec mixed = ModelSpec.builder()
                    .setVocabSize(7)
                    .setAttention(new GroupedQueryAttentionSpec(4, 2, 6, 1.5, true, norm))
                    .addLayers(2, moe)
                    .addLayers(1, DenseSpec.swiglu(moe.hiddenSize(), 3))
                    .addLayers(1, moe)
                    .optTieWordEmbeddings(true)
                    .build();
            assertThat(SpecJson.parseModel(SpecJson.toJson(mixed))).isEqualTo(mixed);
        }
    }

    @Test
    void speaksTheVocabularyOfHuggingFace() {
        assertThat(SpecJson.toJson(MOE))
                .contains(
                        "\"hidden_size\": 8",
                        "\"moe_intermediate_size\": 6",
                        "\"num_experts\": 4",
                        "\"num_experts_per_tok\": 2",
                        "\"hidden_act\": \"silu\"",
                        "\"norm_topk_prob\": true",
                        "\"routed_scaling_factor\": 1.0",
                        "\"n_group\": 1",
                        "\"topk_group\": 1",
                        "\"router_aux_loss_coef\": 0.0",
                        "\"capacity_factor\": \"dropless\"",
                        "\"latent_sizes\"",
                        "\"group_size\": 2")
                .doesNotContain("shared_expert", "groups")
                .endsWith("}\n");
    }

    @Test
    void writesEqualLayersOnce() {
        String json = SpecJson.toJson(MODEL);
        assertThat(json).contains("\"count\": 1", "\"count\": 2").containsOnlyOnce("\"moe\"");
        assertThat(SpecJson.parseModel(json).feedForwards()).hasSize(3);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            "num_experts": 4         | "num_experts": "4"         | num_experts must be an integer, got "4"
            "num_experts": 4         | "num_experts": 4.5         | num_experts must be an integer of 32 bits, got 4.5
            "num_experts": 4         | "num_experts": 4294967300  | num_experts must be an integer of 32 bits, got 4294967300
            "num_experts": 4         | "num_expert": 4            | missing key num_experts
            "num_experts": 4         | "num_experts": 4, "x": [1] | unknown key x = [1]
            "num_experts": 4         | "num_experts": 4, "num_experts": 4 | key num_experts stands there twice
            "num_experts": 4         | "num_experts": null        | num_experts
            "num_experts": 4         | "num_experts": 1           | topK must be between 1 and numExperts = 1, got 2
            "gated": true            | "gated": 1                 | gated must be true or false, got 1
            "hidden_act": "silu"     | "hidden_act": "swish"      | hidden_act must be one of [gelu, gelu_pytorch_tanh, relu, relu2, silu], got "swish"
            "n_group": 1             | "n_group": true            | router.n_group must be an integer, got true
            "n_group": 1             | "n_group": 3               | numExperts = 4 is not divisible by the router's nGroup = 3
            "topk_group": 1          | "topk_group": 2            | in router: topkGroup must be between 1 and nGroup = 1, got 2
            "dropless"               | "none"                     | router.capacity_factor must be a number, got "none"
            "dropless"               | 1e999                      | router.capacity_factor must be a number in the range of double
            "norm_topk_prob": true,  | "norm_topk_prob": true, "seed": 1, | unknown key router.seed = 1
            "gate": 3                | "gates": 3                 | unknown key latent.latent_sizes.gates = 3
            "group_size": 2          | "groups": 2                | latent.groups must be a list, got 2
            "group_size": 2          | "groups": [0, 0.5]         | latent.groups[1] must be an integer of 32 bits, got 0.5
            "group_size": 2          | "groups": [0, 2]           | in latent:
            "tied_gate_up": false    | "tied_gate_up": false, "tie": {} | unknown key latent.tie = {}
            """)
    void namesWhatIsWrongInALayer(String part, String replacement, String message) {
        String json = SpecJson.toJson(MOE);
        assertThat(json).contains(part);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.parseMoe(json.replace(part, replacement)))
                .withMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            "type": "latent"       | "type": "mla"            | attention.type must be one of [grouped_query, latent], got "mla"
            "type": "latent"       | "type": "grouped_query"  | missing key attention.num_key_value_heads
            "q_lora_rank": 0       | "q_lora_rank": 0.1       | attention.q_lora_rank must be an integer
            "rms_norm_eps"         | "rms_eps"                | missing key rms_norm_eps
            "count": 2             | "count": 0               | layers[1].count must be positive, got 0
            "num_experts": 4       | "num_experts": "4"       | layers[1].moe.num_experts must be an integer, got "4"
            "intermediate_size": 16 | "intermediate_size": 0  | in layers[0].dense: intermediateSize must be positive, got 0
            "dense"                | "fat"                    | missing key layers[0].moe
            """)
    void namesWhatIsWrongInAModel(String part, String replacement, String message) {
        String json = SpecJson.toJson(MODEL);
        assertThat(json).contains(part);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.parseModel(json.replace(part, replacement)))
                .withMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            ''      | not JSON
            {       | not JSON
            []      | the text must be an object, got []
            {} {}   | not JSON
            {'a':1} | not JSON
            nul     | not JSON
            """)
    void refusesWhatIsNotOneJsonObject(String text, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.parseMoe(text == null ? "" : text))
                .withMessageContaining(message);
    }
}
