package ai.molae.djl.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.spec.AttentionSpec;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.SlidingWindow;
import ai.molae.testing.RandomSpecs;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

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

    @ParameterizedTest
    @EnumSource(AuxLossScope.class)
    void everyScopeOfTheBalancingLossComesBackEqual(AuxLossScope scope) {
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(4)
                .setIntermediateSize(2)
                .setNumExperts(3)
                .setTopK(1)
                .optRouter(RouterSpec.builder().optAuxLossScope(scope).build())
                .build();
        String json = SpecJson.toJson(spec);
        assertThat(json).contains("\"router_aux_loss_scope\": \"" + scope.name().toLowerCase(Locale.ROOT) + "\"");
        assertThat(SpecJson.parseMoe(json)).isEqualTo(spec);
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

    private static ModelSpec with(AttentionSpec attention) {
        return ModelSpec.builder()
                .setVocabSize(7)
                .setAttention(attention)
                .addLayers(2, DenseSpec.swiglu(8, 3))
                .build();
    }

    @Test
    void everyOptionOfAttentionComesBackEqual() {
        for (RopeScaling scaling : List.of(
                new RopeScaling.None(),
                new RopeScaling.Linear(2.5),
                new RopeScaling.Dynamic(3, 77),
                new RopeScaling.Yarn(40, 4096, 16, 2, 1.25, 1.5, false),
                new RopeScaling.Yarn(2, 1, 32, 1, 1, 1, true),
                new RopeScaling.Llama3(8, 1, 4, 8192))) {
            for (boolean flag : new boolean[] {true, false}) {
                RopeSpec rope = new RopeSpec(12.5, flag, scaling);
                Optional<SlidingWindow> window =
                        flag ? Optional.of(new SlidingWindow(5, Set.of(1, 0))) : Optional.empty();
                ModelSpec grouped = with(new GroupedQueryAttentionSpec(
                        4, 2, 6, rope, !flag, flag, QkNorm.NONE, flag ? 8.5 : Double.POSITIVE_INFINITY, window));
                assertThat(SpecJson.parseModel(SpecJson.toJson(grouped))).isEqualTo(grouped);
                ModelSpec latent = with(new LatentAttentionSpec(2, 3, 5, 4, 2, 4, rope, 1e-5, flag));
                assertThat(SpecJson.parseModel(SpecJson.toJson(latent))).isEqualTo(latent);
            }
        }
    }

    @Test
    void optionsOfAttentionThatAreOffAreLeftOut() {
        String plain = SpecJson.toJson(with(GroupedQueryAttentionSpec.of(4, 2, 6)));
        assertThat(plain)
                .contains("\"output_bias\": false", "\"rope_interleave\": false")
                .doesNotContain("clip_qkv", "sliding_window", "rope_scaling");
        String windowed = SpecJson.toJson(with(new GroupedQueryAttentionSpec(
                4,
                2,
                6,
                new RopeSpec(1e4, false, new RopeScaling.Linear(2)),
                false,
                false,
                QkNorm.NONE,
                3,
                Optional.of(new SlidingWindow(5, Set.of(1))))));
        assertThat(windowed)
                .contains("\"clip_qkv\": 3.0", "\"sliding_window\"", "\"size\": 5", "\"rope_type\": \"linear\"");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            "rope_type": "linear"  | "original_max_position_embeddings": 9, "rope_type": "su" | attention.rope_scaling.rope_type must be one of [linear, dynamic, yarn, llama3], got "su"
            "rope_type": "linear"  | "rope_type": "yarn"    | missing key attention.rope_scaling.original_max_position_embeddings
            "factor": 2.0          | "factor": 0.5          | in attention.rope_scaling: the RoPE scaling factor must be at least 1, got 0.5
            "factor": 2.0          | "factor": 2.0, "x": 1  | unknown key attention.rope_scaling.x = 1
            "clip_qkv": 3.0        | "clip_qkv": 0          | in attention: clipQkv must be positive
            "size": 5              | "size": 0              | in attention.sliding_window: slidingWindow size must be positive, got 0
            "output_bias": false   | "output_bias": 0       | attention.output_bias must be true or false, got 0
            "rope_interleave": false, | ''                  | missing key attention.rope_interleave
            """)
    void namesWhatIsWrongInAttention(String part, String replacement, String message) {
        RopeSpec rope = new RopeSpec(1e4, false, new RopeScaling.Linear(2));
        String json = SpecJson.toJson(with(new GroupedQueryAttentionSpec(
                4, 2, 6, rope, false, false, QkNorm.NONE, 3, Optional.of(new SlidingWindow(5, Set.of(1))))));
        assertThat(json).contains(part);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.parseModel(json.replace(part, replacement)))
                .withMessageContaining(message);
    }

    @Test
    void partsStandInLargerFiles() {
        LatentSpec latent = MOE.latent().orElseThrow();
        assertThat(SpecJson.latent("here.", SpecJson.toTree(latent))).isEqualTo(latent);
        assertThat(SpecJson.model("", SpecJson.toTree(MODEL))).isEqualTo(MODEL);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.latent("here.", new JsonObject()))
                .withMessageContaining("missing key here.latent_sizes");
    }

    @Test
    void aCountThatWouldFillTheMemoryIsRefused() {
        String json = SpecJson.toJson(MODEL);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.parseModel(json.replace("\"count\": 2", "\"count\": 2147483647")))
                .withMessageContaining("layers[1].count must be at most 10000 with the layers before, got 2147483647");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.parseModel(json.replace("\"count\": 2", "\"count\": 10000")))
                .withMessageContaining("layers[1].count");
    }

    @Test
    void nestingHasALimit() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SpecJson.parseMoe("{\"a\": ".repeat(200)))
                .withMessageContaining("nested more than 100 deep");
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
