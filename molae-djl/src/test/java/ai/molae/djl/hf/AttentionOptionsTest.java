package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.SlidingWindow;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the keys of attention mean, changed one at a time in the golden configs. */
class AttentionOptionsTest {

    private static GroupedQueryAttentionSpec grouped(String name, String... changes) {
        return (GroupedQueryAttentionSpec)
                CheckpointConfig.parse(Golden.config(name, changes)).spec().attention();
    }

    private static LatentAttentionSpec latent(String name, String... changes) {
        return (LatentAttentionSpec)
                CheckpointConfig.parse(Golden.config(name, changes)).spec().attention();
    }

    private static RopeSpec rope(String name, String... changes) {
        return CheckpointConfig.parse(Golden.config(name, changes))
                .spec()
                .attention()
                .rope();
    }

    private static RopeScaling scaling(String name, String json) {
        return rope(name, "rope_scaling = " + json).scaling();
    }

    @Test
    void headsMayBeSharedInAnyRatio() {
        assertThat(grouped("mixtral-a", "num_key_value_heads = 1").numKeyValueHeads())
                .isEqualTo(1);
        assertThat(grouped("mixtral-a", "num_key_value_heads = null").numKeyValueHeads())
                .isEqualTo(4);
        assertThat(grouped("olmoe-a", "-num_key_value_heads").numKeyValueHeads())
                .isEqualTo(4);
    }

    @Test
    void theWidthOfHeadsIsReadOrTheHiddenSizeShared() {
        assertThat(grouped("mixtral-a").headDim()).isEqualTo(8);
        assertThat(grouped("mixtral-a", "head_dim = 6").headDim()).isEqualTo(6);
        assertThat(grouped("mixtral-a", "head_dim = null").headDim()).isEqualTo(8);
        assertThat(grouped("qwen3_moe-a", "head_dim = 2").headDim()).isEqualTo(2);
    }

    @Test
    void biasesAreThoseOfTheFamily() {
        assertThat(grouped("qwen2_moe-a").qkvBias()).isTrue();
        assertThat(grouped("qwen2_moe-a").outputBias()).isFalse();
        assertThat(grouped("qwen2_moe-a", "qkv_bias = false").qkvBias()).isFalse();
        for (String family : new String[] {"qwen3_moe-a", "olmoe-a"}) {
            GroupedQueryAttentionSpec biased = grouped(family, "attention_bias = true");
            assertThat(biased.qkvBias()).isTrue();
            assertThat(biased.outputBias()).isTrue();
        }
        assertThat(latent("deepseek_v2-a", "attention_bias = true").bias()).isTrue();
    }

    @Test
    void clippingIsOlmoes() {
        assertThat(grouped("olmoe-a").clipQkv()).isInfinite();
        assertThat(grouped("olmoe-a", "clip_qkv = 8").clipQkv()).isEqualTo(8);
    }

    @Test
    void latentAttentionHasFullQueriesWhereTheRankIsNull() {
        assertThat(latent("deepseek_v3-a").qLoraRank()).isZero();
        assertThat(latent("deepseek_v3-a", "q_lora_rank = 6").qLoraRank()).isEqualTo(6);
        assertThat(latent("deepseek_v3-a", "rms_norm_eps = 0.5").normEps()).isEqualTo(1e-6);
        assertThat(latent("deepseek_v3-a", "head_dim = 4", "qk_head_dim = 12")).isEqualTo(latent("deepseek_v3-a"));
    }

    @Test
    void pairsAreNeighboursInDeepSeekUnlessItSaysOtherwise() {
        assertThat(rope("deepseek_v2-a").interleaved()).isTrue();
        assertThat(rope("deepseek_v3-a").interleaved()).isTrue();
        assertThat(rope("deepseek_v3-a", "rope_interleave = false").interleaved())
                .isFalse();
        assertThat(rope("mixtral-a").interleaved()).isFalse();
    }

    // ---- windows ----

    @Test
    void mixtralAndQwen3SlideInEveryLayer() {
        SlidingWindow everywhere = new SlidingWindow(3, Set.of(0, 1));
        assertThat(grouped("mixtral-a", "sliding_window = 3").slidingWindow()).contains(everywhere);
        assertThat(grouped("qwen3_moe-a", "sliding_window = 3").slidingWindow()).isEmpty();
        assertThat(grouped("qwen3_moe-a", "sliding_window = 3", "use_sliding_window = true")
                        .slidingWindow())
                .contains(everywhere);
        assertThat(grouped(
                                "mixtral-a",
                                "sliding_window = 3",
                                "layer_types = [\"sliding_attention\", \"sliding_attention\"]")
                        .slidingWindow())
                .contains(everywhere);
    }

    @Test
    void qwen2SlidesInEveryOtherLayerBelowALimitUnlessTypesAreGiven() {
        String[] five = {"num_hidden_layers = 5", "use_sliding_window = true", "sliding_window = 7"};
        assertThat(grouped("qwen2_moe-a", five).slidingWindow()).contains(new SlidingWindow(7, Set.of(0, 2, 4)));
        assertThat(grouped("qwen2_moe-a", five[0], five[1], five[2], "max_window_layers = 4")
                        .slidingWindow())
                .contains(new SlidingWindow(7, Set.of(0, 2)));
        assertThat(grouped("qwen2_moe-a", five[0], five[1], five[2], "max_window_layers = 0")
                        .slidingWindow())
                .isEmpty();
        assertThat(grouped(
                                "qwen2_moe-a",
                                "use_sliding_window = true",
                                "layer_types = [\"full_attention\", \"sliding_attention\"]")
                        .slidingWindow())
                .contains(new SlidingWindow(32_768, Set.of(1)));
        // What transformers 5 saves where no layer slides.
        assertThat(grouped(
                                "qwen2_moe-a",
                                "sliding_window = 0",
                                "layer_types = [\"full_attention\", \"full_attention\"]")
                        .slidingWindow())
                .isEmpty();
    }

    // ---- RoPE ----

    @Test
    void ropeStandsInOldOrNewKeys() {
        assertThat(rope("mixtral-a")).isEqualTo(RopeSpec.of(1e6));
        assertThat(rope("mixtral-a", "-rope_theta")).isEqualTo(RopeSpec.of(1e6));
        assertThat(rope("olmoe-a", "-rope_theta")).isEqualTo(RopeSpec.of(1e4));
        assertThat(rope(
                        "mixtral-a",
                        "-rope_theta",
                        "rope_parameters = {\"rope_theta\": 5, \"rope_type\": \"default\"}"))
                .isEqualTo(RopeSpec.of(5));
        assertThat(rope(
                        "mixtral-a",
                        "rope_theta = 5",
                        "rope_parameters = {\"rope_theta\": 5.0, \"rope_type\": \"linear\", \"factor\": 2}"))
                .isEqualTo(new RopeSpec(5, false, new RopeScaling.Linear(2)));
        assertThat(rope(
                        "mixtral-a",
                        "rope_scaling = {\"type\": \"linear\", \"factor\": 2}",
                        "rope_parameters = {\"rope_type\": \"linear\", \"factor\": 2.0}"))
                .isEqualTo(new RopeSpec(1e6, false, new RopeScaling.Linear(2)));
    }

    @Test
    void everyScalingIsRead() {
        assertThat(scaling("olmoe-a", "{\"type\": \"linear\", \"rope_type\": \"linear\", \"factor\": 4}"))
                .isEqualTo(new RopeScaling.Linear(4));
        assertThat(scaling("olmoe-a", "{\"rope_type\": \"default\", \"partial_rotary_factor\": 1.0}"))
                .isEqualTo(new RopeScaling.None());
        assertThat(scaling("olmoe-a", "{\"rope_type\": \"dynamic\", \"factor\": 2.0}"))
                .isEqualTo(new RopeScaling.Dynamic(2, 4096));
        assertThat(scaling(
                        "olmoe-a",
                        "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4, "
                                + "\"original_max_position_embeddings\": 1024}"))
                .isEqualTo(new RopeScaling.Llama3(8, 1, 4, 1024));
        assertThat(scaling(
                        "olmoe-a",
                        "{\"rope_type\": \"yarn\", \"factor\": 4, \"original_max_position_embeddings\": 1024}"))
                .isEqualTo(new RopeScaling.Yarn(4, 1024, 32, 1, 0.1 * Math.log(4) + 1, 1, true));
        assertThat(scaling(
                        "olmoe-a",
                        "{\"type\": \"yarn\", \"factor\": 4, \"beta_fast\": 16, \"beta_slow\": 2, \"attention_factor\": 1.5, "
                                + "\"truncate\": false, \"original_max_position_embeddings\": 1024}"))
                .isEqualTo(new RopeScaling.Yarn(4, 1024, 16, 2, 1.5, 1, false));
    }

    @Test
    void yarnsLengthsAndFactorAreTakenFromEachOther() {
        assertThat(scaling("olmoe-a", "{\"rope_type\": \"yarn\", \"original_max_position_embeddings\": 512}"))
                .isEqualTo(new RopeScaling.Yarn(8, 512, 32, 1, 0.1 * Math.log(8) + 1, 1, true));
        assertThat(scaling("olmoe-a", "{\"rope_type\": \"yarn\", \"factor\": 2}"))
                .isEqualTo(new RopeScaling.Yarn(2, 4096, 32, 1, 0.1 * Math.log(2) + 1, 1, true));
        assertThat(rope("olmoe-a", "original_max_position_embeddings = 512", "rope_scaling = {\"rope_type\": \"yarn\"}")
                        .scaling())
                .isEqualTo(new RopeScaling.Yarn(8, 512, 32, 1, 0.1 * Math.log(8) + 1, 1, true));
    }

    @Test
    void mscaleAllDimScalesTheSoftmaxOfDeepSeekOnly() {
        String yarn = "{\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 1024, ";
        String both = yarn + "\"mscale\": 0.5, \"mscale_all_dim\": 2}";
        double attentionFactor = (0.05 * Math.log(40) + 1) / (0.2 * Math.log(40) + 1);
        RopeScaling.Yarn deepSeek = (RopeScaling.Yarn) scaling("deepseek_v3-a", both);
        assertThat(deepSeek.attentionFactor()).isCloseTo(attentionFactor, within(1e-15));
        assertThat(deepSeek.softmaxMscale()).isCloseTo(0.2 * Math.log(40) + 1, within(1e-15));
        RopeScaling.Yarn other = (RopeScaling.Yarn) scaling("olmoe-a", both);
        assertThat(other.attentionFactor()).isCloseTo(attentionFactor, within(1e-15));
        assertThat(other.softmaxMscale()).isEqualTo(1);
        RopeScaling.Yarn without = (RopeScaling.Yarn) scaling("deepseek_v3-a", yarn + "\"mscale_all_dim\": 0}");
        assertThat(without.softmaxMscale()).isEqualTo(1);
        assertThat(without.attentionFactor()).isCloseTo(0.1 * Math.log(40) + 1, within(1e-15));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            mixtral-a     | num_key_value_heads = 3          | numKeyValueHeads must divide numAttentionHeads = 4, got 3
            mixtral-a     | -num_key_value_heads             | missing key num_key_value_heads
            mixtral-a     | num_attention_heads = 5          | hidden_size = 32 in config.json must be a multiple of num_attention_heads = 5
            mixtral-a     | head_dim = 5                     | headDim must be even and positive, got 5
            mixtral-a     | head_dim = "8"                   | head_dim = "8" in config.json must be a number
            mixtral-a     | attention_bias = true            | attention_bias = true is not implemented
            mixtral-a     | attention_dropout = 0.1          | attention_dropout = 0.1 is not implemented
            mixtral-a     | sliding_window = 0               | sliding_window = 0 in config.json must be between 1
            mixtral-a     | layer_types = ["full_attention", "sliding_attention"] | layer_types = ["full_attention","sliding_attention"] in config.json must be full_attention for every layer
            qwen3_moe-a   | -head_dim                        | missing key head_dim
            qwen3_moe-a   | qkv_bias = true                  | qkv_bias = true is not implemented
            qwen3_moe-a   | use_qk_norm = false              | use_qk_norm = false is not implemented
            qwen3_moe-a   | attention_bias = 1               | attention_bias = 1 in config.json must be true or false
            qwen2_moe-a   | layer_types = ["full_attention"] | one type for each of the num_hidden_layers = 2
            qwen2_moe-a   | layer_types = ["full_attention", "chunked_attention"] | not chunked_attention
            qwen2_moe-a   | layer_types = ["full_attention", "sliding_attention"] | where use_sliding_window is false
            qwen2_moe-a   | layer_types = "full_attention"   | layer_types = "full_attention" in config.json must be a list
            qwen2_moe-a   | use_sliding_window = true; sliding_window = 0 | sliding_window = 0 in config.json
            olmoe-a       | clip_qkv = 0                     | clipQkv must be positive (infinity: never), got 0.0
            olmoe-a       | sliding_window = 5               | sliding_window = 5: this option is not implemented by molae
            deepseek_v3-a | num_key_value_heads = 2          | num_key_value_heads = 2 in config.json must be num_attention_heads = 4
            deepseek_v3-a | head_dim = 8                     | head_dim = 8 in config.json must be qk_rope_head_dim = 4
            deepseek_v3-a | qk_head_dim = 8                  | must be qk_nope_head_dim + qk_rope_head_dim = 12
            deepseek_v3-a | -q_lora_rank                     | missing key q_lora_rank
            deepseek_v3-a | q_lora_rank = 0                  | q_lora_rank = 0 in config.json must be between 1
            deepseek_v3-a | qk_rope_head_dim = 3             | qkRopeHeadDim must be even and positive, got 3
            deepseek_v2-a | rope_interleave = false          | rope_interleave = false is not implemented
            """)
    void whatIsNotImplementedOrContradictsIsNamed(String name, String changes, String message) {
        refuses(name, changes, message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            rope_theta = 0                                            | ropeTheta must be finite and positive, got 0.0
            rope_theta = "1e4"                                        | rope_theta = "1e4" in config.json must be a number
            rope_theta = 1e999                                        | rope_theta = 1E+999 in config.json must be a number in the range of double
            rope_parameters = {"rope_theta": 5}                       | rope_parameters.rope_theta = 5 and rope_theta = 10000.0 are two spellings
            rope_scaling = {"type": "linear", "rope_type": "yarn"}    | rope_scaling.rope_type = "yarn"
            rope_scaling = {"type": "linear", "factor": 2}; rope_parameters = {"factor": 4} | rope_scaling.factor = 2 and rope_parameters.factor = 4
            rope_scaling = {"type": "su", "factor": 2}                | rope_scaling.rope_type = "su" in config.json must be one of [default, linear, dynamic, yarn, llama3]
            rope_scaling = {"type": "longrope"}                       | "longrope"
            rope_scaling = {"type": "mrope"}                          | "mrope"
            rope_scaling = {"type": "linear"}                         | missing key rope_scaling.factor
            rope_scaling = {"type": "linear", "factor": 0.5}          | factor must be at least 1, got 0.5
            rope_scaling = {"type": "linear", "factor": 2, "mscale": 1} | rope_scaling.mscale = 1: this option is not implemented
            rope_scaling = {"factor": 2}                              | rope_scaling.factor = 2: this option
            rope_scaling = {"type": "dynamic", "factor": 2, "original_max_position_embeddings": 64} | must be max_position_embeddings = 4096
            rope_scaling = {"type": "yarn", "factor": 2, "original_max_position_embeddings": 0} | rope_scaling.original_max_position_embeddings = 0
            rope_theta = 1; rope_scaling = {"type": "yarn", "factor": 2} | rope_scaling.rope_theta = 1 in config.json must be more than 1 with YaRN
            rope_scaling = {"type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2} | betaFast = 1.0 must be at least betaSlow = 2.0
            rope_scaling = "linear"                                   | rope_scaling = "linear" in config.json must be an object
            rope_parameters = {"full_attention": {"rope_theta": 1}}   | rope_parameters.full_attention
            partial_rotary_factor = 0.5                               | partial_rotary_factor = 0.5 is not implemented
            rope_parameters = {"partial_rotary_factor": 0.25}         | rope_parameters.partial_rotary_factor = 0.25 is not implemented
            """)
    void whatRopeCannotDoIsNamed(String changes, String message) {
        refuses("olmoe-a", changes, message);
    }

    private static void refuses(String name, String changes, String message) {
        String config = Golden.configWith(name, changes);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CheckpointConfig.parse(config))
                .withMessageContaining(message);
    }
}
