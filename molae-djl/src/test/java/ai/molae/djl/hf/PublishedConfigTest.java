package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.cost.CostModel;
import ai.molae.spec.GroupScore;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The keys of published models' files: they mean the presets, and their tensors add up to the published sizes. */
class PublishedConfigTest {

    private static final String DEEPSEEK =
            """
            "auto_map": {"AutoConfig": "configuration_deepseek.Config"}, "attention_bias": false, "attention_dropout": 0.0,
            "aux_loss_alpha": 0.001, "seq_aux": true, "bos_token_id": 0, "eos_token_id": 1, "ep_size": 1, "hidden_act": "silu",
            "initializer_range": 0.02, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
            "moe_layer_freq": 1, "pretraining_tp": 1, "tie_word_embeddings": false, "use_cache": true, "torch_dtype": "bfloat16",
            """;

    private static final Map<String, String> CONFIGS = Map.of(
            "Mixtral-8x7B",
            """
            {"architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
            "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
            "max_position_embeddings": 32768, "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2,
            "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8, "output_router_logits": false,
            "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02, "sliding_window": null,
            "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.36.0.dev0", "use_cache": true,
            "vocab_size": 32000}
            """,
            "Qwen1.5-MoE-A2.7B",
            """
            {"architectures": ["Qwen2MoeForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151643,
            "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5632,
            "max_position_embeddings": 8192, "max_window_layers": 21, "model_type": "qwen2_moe", "num_attention_heads": 16,
            "num_hidden_layers": 24, "num_key_value_heads": 16, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
            "sliding_window": 32768, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true,
            "use_sliding_window": false, "vocab_size": 151936, "decoder_sparse_step": 1, "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632, "num_experts_per_tok": 4, "num_experts": 60, "norm_topk_prob": false,
            "output_router_logits": false, "router_aux_loss_coef": 0.001}
            """,
            "Qwen3-30B-A3B",
            """
            {"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
            "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
            "initializer_range": 0.02, "intermediate_size": 6144, "max_position_embeddings": 40960, "max_window_layers": 48,
            "mlp_only_layers": [], "model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": true,
            "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
            "num_key_value_heads": 4, "output_router_logits": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
            "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false,
            "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
            "vocab_size": 151936}
            """,
            "OLMoE-1B-7B",
            """
            {"architectures": ["OlmoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "clip_qkv": null,
            "eos_token_id": 50279, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 1024,
            "max_position_embeddings": 4096, "model_type": "olmoe", "norm_topk_prob": false, "num_attention_heads": 16,
            "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 16, "num_key_value_heads": 16,
            "output_router_logits": false, "pad_token_id": 1, "rope_scaling": null, "rope_theta": 10000.0,
            "router_aux_loss_coef": 0.01, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true,
            "vocab_size": 50304}
            """,
            "DeepSeek-V2-Lite",
            "{" + DEEPSEEK
                    + """
            "model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 2048, "num_hidden_layers": 27,
            "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": null, "intermediate_size": 10944,
            "moe_intermediate_size": 1408, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
            "first_k_dense_replace": 1, "norm_topk_prob": false, "routed_scaling_factor": 1.0, "n_group": 1, "topk_group": 1,
            "topk_method": "greedy", "scoring_func": "softmax", "rms_norm_eps": 1e-06, "rope_theta": 10000,
            "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
            "original_max_position_embeddings": 4096, "type": "yarn"}, "max_position_embeddings": 163840}
            """,
            "DeepSeek-V3",
            "{" + DEEPSEEK
                    + """
            "model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "num_hidden_layers": 61,
            "num_attention_heads": 128, "num_key_value_heads": 128, "q_lora_rank": 1536, "intermediate_size": 18432,
            "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
            "first_k_dense_replace": 3, "norm_topk_prob": true, "routed_scaling_factor": 2.5, "n_group": 8, "topk_group": 4,
            "topk_method": "noaux_tc", "scoring_func": "sigmoid", "rms_norm_eps": 1e-06, "rope_theta": 10000,
            "num_nextn_predict_layers": 1, "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3",
            "quant_method": "fp8", "weight_block_size": [128, 128]},
            "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 1.0, "mscale_all_dim": 1.0,
            "original_max_position_embeddings": 4096, "type": "yarn"}, "max_position_embeddings": 163840}
            """,
            "Moonlight-16B-A3B",
            "{" + DEEPSEEK
                    + """
            "model_type": "deepseek_v3", "vocab_size": 163840, "hidden_size": 2048, "num_hidden_layers": 27,
            "num_attention_heads": 16, "num_key_value_heads": 16, "q_lora_rank": null, "intermediate_size": 11264,
            "moe_intermediate_size": 1408, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
            "first_k_dense_replace": 1, "norm_topk_prob": true, "routed_scaling_factor": 2.446, "n_group": 1, "topk_group": 1,
            "topk_method": "noaux_tc", "scoring_func": "sigmoid", "rms_norm_eps": 1e-05, "rope_theta": 50000.0,
            "num_nextn_predict_layers": 0, "max_position_embeddings": 8192}
            """);

    @ParameterizedTest
    @CsvSource({
        "Mixtral-8x7B,       46702792704",
        "Qwen1.5-MoE-A2.7B,  14315784192",
        "Qwen3-30B-A3B,      30532122624",
        "OLMoE-1B-7B,         6919161856",
        "DeepSeek-V2-Lite,   15706484224",
        "DeepSeek-V3,       671026419200",
        "Moonlight-16B-A3B,  15960110208",
    })
    void publishedFilesMeanThePresets(String name, long parameters) {
        CheckpointConfig config = CheckpointConfig.parse(CONFIGS.get(name));
        ModelSpec spec = config.spec();
        assertThat(spec).isEqualTo(ModelPresets.get(name));
        assertThat(CostModel.model(spec).parameters()).isEqualTo(parameters);
        assertThat(config.family().bindings(spec))
                .extracting(TensorBinding::size)
                .satisfies(sizes -> assertThat(
                                sizes.stream().mapToLong(Long::longValue).sum())
                        .isEqualTo(parameters));
    }

    @Test
    void presetsAreWrittenAsTheirFamily() {
        Map<String, String> types = Map.of(
                "Mixtral-8x7B", "mixtral",
                "Qwen1.5-MoE-A2.7B", "qwen2_moe",
                "Qwen3-30B-A3B", "qwen3_moe",
                "OLMoE-1B-7B", "olmoe",
                "DeepSeek-V2-Lite", "deepseek_v2",
                "DeepSeek-V3", "deepseek_v3",
                "Moonlight-16B-A3B", "deepseek_v3",
                "Paper-MoE", "molae",
                "Paper-MoLAE", "molae");
        for (String name : ModelPresets.names()) {
            CheckpointConfig config = CheckpointConfig.of(ModelPresets.get(name), "bfloat16");
            assertThat(config.modelType()).isEqualTo(types.get(name));
            assertThat(CheckpointConfig.parse(config.toJson()).spec()).isEqualTo(ModelPresets.get(name));
        }
    }

    @Test
    void deepSeekV3IsQuantisedAndHasALayerThatIsNotLoaded() {
        CheckpointConfig config = CheckpointConfig.parse(CONFIGS.get("DeepSeek-V3"));
        assertThat(config.quantization()).contains(new BlockQuantization(128, 128));
        assertThat(config.ignores("model.layers.61.eh_proj.weight")).isTrue();
        assertThat(config.ignores("model.layers.60.mlp.gate.weight")).isFalse();
        assertThat(config.ignores("model.layers.62.mlp.gate.weight")).isFalse();
        CheckpointConfig saved = config.with(config.spec(), "bfloat16");
        assertThat(saved.quantization()).isEmpty();
        assertThat(saved.json().get("num_nextn_predict_layers").getAsInt()).isZero();
        assertThat(saved.ignores("model.layers.61.eh_proj.weight")).isFalse();
        assertThat(saved.json().get("rope_scaling")).isEqualTo(config.json().get("rope_scaling"));
    }

    @Test
    void largerDeepSeekV2AndQwen3CoderAreRead() {
        MoeSpec v2 = (MoeSpec) CheckpointConfig.parse(CONFIGS.get("DeepSeek-V2-Lite")
                        .replace("\"topk_method\": \"greedy\"", "\"topk_method\": \"group_limited_greedy\"")
                        .replace("\"n_group\": 1, \"topk_group\": 1", "\"n_group\": 8, \"topk_group\": 3")
                        .replace("\"q_lora_rank\": null", "\"q_lora_rank\": 1536")
                        .replace("\"routed_scaling_factor\": 1.0", "\"routed_scaling_factor\": 16.0"))
                .spec()
                .feedForwards()
                .get(26);
        assertThat(v2.router().nGroup()).isEqualTo(8);
        assertThat(v2.router().groupScore()).isEqualTo(GroupScore.MAX);
        String coder = CONFIGS.get("Qwen3-30B-A3B")
                .replace(
                        "\"attention_bias\": false,",
                        "\"attention_bias\": false, \"qkv_bias\": false, \"use_qk_norm\": true, \"shared_expert_intermediate_size\": 0,")
                .replace("1000000.0", "10000000")
                .replace("40960", "262144");
        assertThat(CheckpointConfig.parse(coder).spec().attention().rope().theta())
                .isEqualTo(1e7);
    }

    @Test
    void whatTransformers5SavesMeansTheSame() {
        String saved = CONFIGS.get("Qwen3-30B-A3B")
                .replace("\"num_experts\"", "\"num_local_experts\"")
                .replace("\"rope_scaling\": null,", "")
                .replace(
                        "\"rope_theta\": 1000000.0",
                        "\"rope_parameters\": {\"rope_theta\": 1000000.0, \"rope_type\": \"default\"}")
                .replace("torch_dtype", "dtype");
        CheckpointConfig config = CheckpointConfig.parse(saved);
        assertThat(config.spec()).isEqualTo(ModelPresets.QWEN3_30B_A3B);
        CheckpointConfig changed = config.with(
                config.spec().mapMoe(moe -> moe.toBuilder().setNumExperts(64).build()), "float16");
        assertThat(changed.json().keySet())
                .contains("num_local_experts", "rope_parameters", "dtype")
                .doesNotContain("num_experts", "rope_theta", "rope_scaling", "torch_dtype");
        assertThat(changed.json().get("num_local_experts").getAsInt()).isEqualTo(64);
        assertThat(changed.dtype()).contains("float16");
    }
}
