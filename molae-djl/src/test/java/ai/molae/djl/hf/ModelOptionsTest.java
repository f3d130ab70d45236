package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.spec.Activation;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupScore;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the keys of layers, routers and the whole model mean, changed one at a time in the golden configs. */
class ModelOptionsTest {

    private static CheckpointConfig config(String name, String... changes) {
        return CheckpointConfig.parse(Golden.config(name, changes));
    }

    private static ModelSpec spec(String name, String... changes) {
        return config(name, changes).spec();
    }

    private static MoeSpec lastMoe(String name, String... changes) {
        List<?> layers = spec(name, changes).feedForwards();
        return (MoeSpec) layers.get(layers.size() - 1);
    }

    private static RouterSpec router(String name, String... changes) {
        return lastMoe(name, changes).router();
    }

    /** D for dense, M for MoE. */
    private static String layers(String name, String... changes) {
        StringBuilder types = new StringBuilder();
        spec(name, changes).feedForwards().forEach(layer -> types.append(layer instanceof DenseSpec ? 'D' : 'M'));
        return types.toString();
    }

    @Test
    void absentKeysHaveTheDefaultsOfTheFamilysClass() {
        ModelSpec olmoe = spec("olmoe-a", "-rms_norm_eps", "-initializer_range", "-tie_word_embeddings");
        assertThat(olmoe).isEqualTo(spec("olmoe-a"));
        assertThat(spec("mixtral-a", "-max_position_embeddings").maxPositionEmbeddings())
                .isEqualTo(131_072);
        assertThat(spec("qwen2_moe-a", "rms_norm_eps = null").rmsNormEps()).isEqualTo(1e-6);
        assertThat(router("mixtral-a", "-router_aux_loss_coef").auxLossCoef()).isEqualTo(0.001);
        assertThat(router("olmoe-a", "-router_aux_loss_coef").auxLossCoef()).isEqualTo(0.01);
        assertThat(router("qwen3_moe-a", "-norm_topk_prob").normTopkProb()).isFalse();
        assertThat(lastMoe("qwen3_moe-a", "-num_experts_per_tok").topK()).isEqualTo(8);
        assertThat(router("deepseek_v3-a", "-norm_topk_prob").normTopkProb()).isTrue();
        assertThat(router("deepseek_v3-a", "-routed_scaling_factor").routedScalingFactor())
                .isEqualTo(2.5);
        assertThat(router("deepseek_v2-a", "-aux_loss_alpha").auxLossCoef()).isZero();
        assertThat(layers("deepseek_v2-a", "-first_k_dense_replace")).isEqualTo("MMM");
        assertThat(layers("deepseek_v3-a", "num_hidden_layers = 5", "-first_k_dense_replace"))
                .isEqualTo("DDDMM");
    }

    @Test
    void moreExpertsThanAnyModelHasAreRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> spec("mixtral-a", "num_local_experts = 65536", "num_hidden_layers = 16"))
                .withMessageContaining("the experts of all 16 layers are 1048576");
    }

    @Test
    void outerKeysAreThoseOfTheSpec() {
        ModelSpec spec =
                spec("mixtral-a", "tie_word_embeddings = true", "initializer_range = 0.5", "rms_norm_eps = 0.25");
        assertThat(spec.tieWordEmbeddings()).isTrue();
        assertThat(spec.initializerRange()).isEqualTo(0.5);
        assertThat(spec.rmsNormEps()).isEqualTo(0.25);
    }

    @Test
    void activationsAreThoseMolaeHas() {
        assertThat(lastMoe("mixtral-a", "hidden_act = \"gelu_pytorch_tanh\"").activation())
                .isEqualTo(Activation.GELU_TANH);
        assertThat(lastMoe("qwen3_moe-a", "hidden_act = \"relu2\"").activation())
                .isEqualTo(Activation.RELU_SQUARED);
        DenseSpec dense = (DenseSpec)
                spec("deepseek_v3-a", "hidden_act = \"gelu\"").feedForwards().get(0);
        assertThat(dense.activation()).isEqualTo(Activation.GELU);
    }

    @Test
    void qwenPlacesMoeLayersByStepAndList() {
        String four = "num_hidden_layers = 4";
        assertThat(layers("qwen2_moe-a", four)).isEqualTo("MMMM");
        assertThat(layers("qwen2_moe-a", four, "decoder_sparse_step = 2")).isEqualTo("DMDM");
        assertThat(layers("qwen3_moe-a", four, "mlp_only_layers = [0, 2, 9]")).isEqualTo("DMDM");
        assertThat(layers("qwen3_moe-a", four, "mlp_only_layers = [3]", "decoder_sparse_step = 2"))
                .isEqualTo("DMDD");
        assertThat(layers("qwen3_moe-a", four, "decoder_sparse_step = 5")).isEqualTo("DDDD");
        assertThat(layers("qwen3_moe-a", "num_experts = 0", "-moe_intermediate_size"))
                .isEqualTo("DD");
        assertThat(layers("qwen2_moe-a", "mlp_only_layers = null")).isEqualTo("MM");
        assertThat(layers("qwen2_moe-a", "intermediate_size = 0"))
                .as("no layer has it")
                .isEqualTo("MM");
    }

    @Test
    void deepSeekPlacesDenseLayersFirst() {
        assertThat(layers("deepseek_v3-a", "first_k_dense_replace = 0")).isEqualTo("MMM");
        assertThat(layers("deepseek_v3-a", "first_k_dense_replace = 2")).isEqualTo("DDM");
        assertThat(layers("deepseek_v3-a", "first_k_dense_replace = 9", "-n_routed_experts"))
                .isEqualTo("DDD");
    }

    @Test
    void sharedExpertsMayBeAbsent() {
        assertThat(lastMoe("deepseek_v2-a", "n_shared_experts = 3").sharedExpert())
                .contains(SharedExpertSpec.of(36));
        assertThat(lastMoe("deepseek_v2-a", "n_shared_experts = null").sharedExpert())
                .isEmpty();
        assertThat(lastMoe("deepseek_v3-a", "n_shared_experts = 0").sharedExpert())
                .isEmpty();
        CheckpointConfig without = config("qwen2_moe-a", "shared_expert_intermediate_size = 0");
        assertThat(((MoeSpec) without.spec().feedForwards().get(0)).sharedExpert())
                .isEmpty();
        assertThat(without.ignores("model.layers.1.mlp.shared_expert.up_proj.weight"))
                .isTrue();
        assertThat(without.ignores("model.layers.1.mlp.shared_expert_gate.weight"))
                .isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"num_experts", "num_local_experts", "n_routed_experts"})
    void theNumberOfExpertsHasThreeSpellingsInEveryFamily(String spelling) {
        for (String name : Golden.CASES) {
            String experts = Golden.tree(name).has("num_experts")
                    ? "num_experts"
                    : name.startsWith("mixtral") ? "num_local_experts" : "n_routed_experts";
            int number = Golden.tree(name).get(experts).getAsInt();
            assertThat(spec(name, "-" + experts, spelling + " = " + number)).isEqualTo(spec(name));
            assertThat(spec(name, spelling + " = " + number + ".0")).isEqualTo(spec(name));
        }
    }

    @Test
    void routersAreThoseOfTheFamily() {
        assertThat(router("mixtral-a").scoreFunction()).isEqualTo(ScoreFunction.SOFTMAX_OVER_CHOSEN);
        assertThat(router("qwen2_moe-a", "norm_topk_prob = true").normTopkProb())
                .isTrue();
        assertThat(router("olmoe-a", "norm_topk_prob = true").normTopkProb()).isTrue();
        RouterSpec v3 = router("deepseek_v3-a", "n_group = 4", "topk_group = 2", "norm_topk_prob = false");
        assertThat(v3.nGroup()).isEqualTo(4);
        assertThat(v3.topkGroup()).isEqualTo(2);
        assertThat(v3.groupScore()).isEqualTo(GroupScore.TOP2_SUM);
        assertThat(v3.correctionBias()).isTrue();
        assertThat(v3.normTopkProb()).isFalse();
        RouterSpec v2 = router(
                "deepseek_v2-a",
                "topk_method = \"group_limited_greedy\"",
                "n_group = 4",
                "topk_group = 2",
                "routed_scaling_factor = 16");
        assertThat(v2.nGroup()).isEqualTo(4);
        assertThat(v2.topkGroup()).isEqualTo(2);
        assertThat(v2.groupScore()).isEqualTo(GroupScore.MAX);
        assertThat(v2.routedScalingFactor()).isEqualTo(16);
        assertThat(router("deepseek_v2-a", "n_group = 4", "topk_group = 2").nGroup())
                .as("greedy looks at no groups")
                .isEqualTo(1);
    }

    @Test
    void deepSeeksBalancingLossDividesByKAndMayBePerLayer() {
        RouterSpec sequence = router("deepseek_v3-a", "aux_loss_alpha = 0.3", "-seq_aux");
        assertThat(sequence.auxLossCoef()).isEqualTo(0.3 / 3);
        assertThat(sequence.auxLossScope()).isEqualTo(AuxLossScope.SEQUENCE);
        RouterSpec layer = router("deepseek_v2-a", "aux_loss_alpha = 0.3", "seq_aux = false");
        assertThat(layer.auxLossCoef()).isEqualTo(0.3 / 3);
        assertThat(layer.auxLossScope()).isEqualTo(AuxLossScope.LAYER);
    }

    @Test
    void kimiK2IsADeepSeekV3() {
        CheckpointConfig kimi = config("deepseek_v3-a", "model_type = \"kimi_k2\"");
        assertThat(kimi.spec()).isEqualTo(spec("deepseek_v3-a"));
        assertThat(kimi.with(kimi.spec(), "bfloat16").modelType()).isEqualTo("kimi_k2");
    }

    @Test
    void tokensDtypeAndQuantizationAreRead() {
        CheckpointConfig config = config(
                "deepseek_v3-a",
                "-torch_dtype",
                "dtype = \"bfloat16\"",
                "eos_token_id = [1, 7]",
                "bos_token_id = null",
                "pad_token_id = 3",
                "quantization_config = {\"activation_scheme\": \"dynamic\", \"fmt\": \"e4m3\", \"quant_method\": \"fp8\", "
                        + "\"weight_block_size\": [128, 64]}");
        assertThat(config.dtype()).contains("bfloat16");
        assertThat(config.eosTokenIds()).containsExactly(1, 7);
        assertThat(config.bosTokenIds()).isEmpty();
        assertThat(config.padTokenIds()).containsExactly(3);
        assertThat(config.quantization()).contains(new BlockQuantization(128, 64));
        assertThat(SafetensorsFolder.scaleName("a.weight")).isEqualTo("a.weight_scale_inv");
    }

    @Test
    void keysOfOtherSoftwareThatChangeNothingAreAccepted() {
        assertThat(spec(
                        "qwen3_moe-a",
                        "use_cache = false",
                        "output_router_logits = true",
                        "_name_or_path = \"x\"",
                        "return_dict = true",
                        "output_hidden_states = false",
                        "torchscript = false",
                        "use_bfloat16 = false",
                        "pruned_heads = {}",
                        "chunk_size_feed_forward = 0",
                        "is_encoder_decoder = false",
                        "cross_attention_hidden_size = null",
                        "id2label = {\"0\": \"LABEL_0\"}",
                        "label2id = {\"LABEL_0\": 0}",
                        "problem_type = null",
                        "shared_expert_intermediate_size = 0",
                        "qkv_bias = false",
                        "use_qk_norm = true",
                        "something_new = null"))
                .isEqualTo(spec("qwen3_moe-a"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            mixtral-a     | -hidden_size               | missing key hidden_size
            mixtral-a     | hidden_size = null         | missing key hidden_size
            mixtral-a     | -num_hidden_layers         | missing key num_hidden_layers
            mixtral-a     | -vocab_size                | missing key vocab_size
            mixtral-a     | -num_attention_heads       | missing key num_attention_heads
            mixtral-a     | -num_local_experts         | missing key num_experts or num_local_experts or n_routed_experts
            mixtral-a     | -intermediate_size         | missing key intermediate_size
            qwen3_moe-a   | -moe_intermediate_size     | missing key moe_intermediate_size
            qwen3_moe-a   | mlp_only_layers = [0]; -intermediate_size | missing key intermediate_size
            qwen2_moe-a   | -shared_expert_intermediate_size | missing key shared_expert_intermediate_size
            deepseek_v2-a | -num_experts_per_tok       | missing key num_experts_per_tok
            deepseek_v3-a | -n_shared_experts          | missing key n_shared_experts
            deepseek_v3-a | -kv_lora_rank              | missing key kv_lora_rank
            mixtral-a     | -model_type                | missing key model_type
            mixtral-a     | model_type = "llama"       | model_type = llama is unknown; known are [mixtral, qwen2_moe, qwen3_moe, olmoe, deepseek_v2, deepseek_v3, kimi_k2, molae]
            mixtral-a     | model_type = 5             | model_type = 5 in config.json must be a text
            mixtral-a     | model_type = "nemotron_h"  | Mamba layers are not implemented
            qwen3_moe-a   | num_local_experts = 4      | num_experts = 8 and num_local_experts = 4 are two spellings of one option and disagree
            mixtral-a     | n_routed_experts = 4       | num_local_experts = 8 and n_routed_experts = 4
            mixtral-a     | dtype = "bfloat16"         | dtype = "bfloat16" and torch_dtype = "float32" are two spellings
            mixtral-a     | num_experts_per_tok = 9    | topK must be between 1 and numExperts = 8, got 9
            mixtral-a     | num_hidden_layers = 2147483647 | num_hidden_layers = 2147483647 in config.json must be between 1
            mixtral-a     | num_hidden_layers = 200000 | num_hidden_layers = 200000 in config.json must be at most 10000
            mixtral-a     | num_hidden_layers = 0      | num_hidden_layers = 0
            mixtral-a     | num_hidden_layers = 2.5    | num_hidden_layers = 2.5 in config.json must be an integer of 32 bits
            mixtral-a     | num_local_experts = 200000000 | numExperts must be at most 65536, got 200000000
            mixtral-a     | hidden_size = 1e400        | hidden_size = 1E+400 in config.json must be an integer
            mixtral-a     | hidden_act = "swiglu"      | hidden_act = "swiglu" in config.json must be one of silu, gelu
            mixtral-a     | router_jitter_noise = 0.1  | router_jitter_noise = 0.1 is not implemented
            mixtral-a     | mlp_bias = true            | mlp_bias = true is not implemented
            mixtral-a     | norm_topk_prob = false     | norm_topk_prob = false: this option is not implemented by molae; remove it if it does not change the model
            mixtral-a     | qk_layernorm = true        | qk_layernorm = true: this option
            mixtral-a     | router_aux_loss_coef = -1  | auxLossCoef must be finite and at least 0, got -1.0
            mixtral-a     | rms_norm_eps = 0           | rmsNormEps must be finite and positive, got 0.0
            mixtral-a     | tie_word_embeddings = "no" | tie_word_embeddings = "no" in config.json must be true or false
            mixtral-a     | eos_token_id = "</s>"      | eos_token_id = "</s>" in config.json must be a number
            qwen3_moe-a   | decoder_sparse_step = 0    | decoder_sparse_step = 0 in config.json must be between 1
            qwen3_moe-a   | mlp_only_layers = 1        | mlp_only_layers = 1 in config.json must be a list
            qwen3_moe-a   | mlp_only_layers = [0, "1"] | mlp_only_layers[1] = "1" in config.json must be a number
            qwen3_moe-a   | shared_expert_intermediate_size = 4 | shared_expert_intermediate_size = 4 is not implemented
            qwen2_moe-a   | attention_bias = true      | attention_bias = true is not implemented
            olmoe-a       | attention_dropout = 0.5    | attention_dropout = 0.5 is not implemented
            deepseek_v2-a | moe_layer_freq = 2         | moe_layer_freq = 2 is not implemented
            deepseek_v2-a | norm_topk_prob = true      | norm_topk_prob = true in config.json must be false: implementations of DeepSeek-V2 disagree
            deepseek_v2-a | scoring_func = "sigmoid"   | scoring_func = "sigmoid" in config.json must be one of [softmax]
            deepseek_v2-a | topk_method = "noaux_tc"   | topk_method = "noaux_tc" in config.json must be one of [greedy, group_limited_greedy]
            deepseek_v2-a | topk_method = "group_limited_greedy"; n_group = null | missing key n_group
            deepseek_v3-a | scoring_func = "softmax"   | scoring_func = "softmax" in config.json must be one of [sigmoid]
            deepseek_v3-a | topk_method = "greedy"     | topk_method = "greedy" in config.json must be one of [noaux_tc]
            deepseek_v3-a | n_group = 3                | numExperts = 8 is not divisible by the router's nGroup = 3
            deepseek_v3-a | n_shared_experts = 200000000 | n_shared_experts = 200000000 in config.json must be at most
            deepseek_v3-a | quantization_config = {"quant_method": "gptq"} | quantization_config.quant_method = "gptq" in config.json must be one of [fp8]
            deepseek_v3-a | quantization_config = {"quant_method": "fp8"}  | weight_block_size must be [rows, columns], got null
            deepseek_v3-a | quantization_config = {"bits": 4}              | missing key quant_method
            deepseek_v3-a | quantization_config = {"quant_method": "fp8", "weight_block_size": [0, 1]} | [0, 1]
            """)
    void whatIsMissingUnknownOrContradictsIsNamed(String name, String changes, String message) {
        String config = Golden.configWith(name, changes);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CheckpointConfig.parse(config))
                .withMessageContaining(message);
    }
}
