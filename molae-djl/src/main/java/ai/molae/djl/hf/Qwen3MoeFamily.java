package ai.molae.djl.hf;

import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.SharedExpertSpec;
import java.util.Optional;

/** Qwen3-MoE: norm on every head of q and k, a width of heads of its own. */
final class Qwen3MoeFamily extends QwenMoeFamily {

    Qwen3MoeFamily() {
        super("qwen3_moe", "Qwen3MoeForCausalLM", 8);
    }

    @Override
    GroupedQueryAttentionSpec attention(ConfigKeys keys, int layers, RopeConfig rope) {
        keys.off("qkv_bias", FALSE);
        keys.off("use_qk_norm", TRUE);
        keys.has("max_window_layers"); // Qwen3-MoE's code does not look at it
        boolean bias = keys.bool("attention_bias", false);
        boolean slides = keys.bool("use_sliding_window", false);
        return new GroupedQueryAttentionSpec(
                keys.size("num_attention_heads"),
                keyValueHeads(keys, false),
                keys.size("head_dim"),
                rope.read(keys),
                bias,
                bias,
                QkNorm.PER_HEAD,
                Double.POSITIVE_INFINITY,
                WindowConfig.everywhere(keys, layers, slides, 4096));
    }

    @Override
    Optional<SharedExpertSpec> sharedExpert(ConfigKeys keys) {
        keys.off("shared_expert_intermediate_size", ZERO);
        return Optional.empty();
    }

    @Override
    void writeAttention(ModelSpec spec, GroupedQueryAttentionSpec attention, ConfigWriter out) {
        out.put("head_dim", attention.headDim());
        out.put("attention_bias", attention.qkvBias());
        WindowConfig.writeSwitched(out, attention);
        if (out.keys().has("layer_types")) {
            WindowConfig.writeTypes(out, attention, spec.numLayers());
        }
    }

    @Override
    void writeSharedExpert(MoeSpec moe, ConfigWriter out) {
        // has none; what a spec has besides is found when the file is read back
    }
}
