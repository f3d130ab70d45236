package ai.molae.djl.hf;

import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.SharedExpertSpec;
import java.util.Optional;

/** Qwen1.5-MoE and Qwen2-MoE: biases of q, k and v, a shared expert behind a sigmoid. */
final class Qwen2MoeFamily extends QwenMoeFamily {

    Qwen2MoeFamily() {
        super("qwen2_moe", "Qwen2MoeForCausalLM", 4);
    }

    @Override
    GroupedQueryAttentionSpec attention(ConfigKeys keys, int layers, RopeConfig rope) {
        keys.off("attention_bias", FALSE);
        return new GroupedQueryAttentionSpec(
                keys.size("num_attention_heads"),
                keyValueHeads(keys, false),
                headDim(keys),
                rope.read(keys),
                keys.bool("qkv_bias", true),
                false,
                QkNorm.NONE,
                Double.POSITIVE_INFINITY,
                WindowConfig.alternating(keys, layers));
    }

    /** Width 0 is no shared expert: Hugging Face multiplies by empty matrices. */
    @Override
    Optional<SharedExpertSpec> sharedExpert(ConfigKeys keys) {
        int width = keys.count("shared_expert_intermediate_size");
        return width == 0 ? Optional.empty() : Optional.of(new SharedExpertSpec(width, true));
    }

    @Override
    void writeAttention(ModelSpec spec, GroupedQueryAttentionSpec attention, ConfigWriter out) {
        writeHeadDim(spec, attention, out);
        if (!attention.qkvBias() || out.keys().mentions("qkv_bias")) {
            out.put("qkv_bias", attention.qkvBias());
        }
        WindowConfig.writeSwitched(out, attention);
        if (out.keys().has("layer_types")
                || !WindowConfig.alternating(out.keys(), spec.numLayers()).equals(attention.slidingWindow())) {
            WindowConfig.writeTypes(out, attention, spec.numLayers());
        }
    }

    @Override
    void writeSharedExpert(MoeSpec moe, ConfigWriter out) {
        out.put(
                "shared_expert_intermediate_size",
                moe.sharedExpert().map(SharedExpertSpec::intermediateSize).orElse(0));
    }

    @Override
    public boolean ignores(ModelSpec spec, String tensor) {
        boolean shared = tensor.contains(".mlp.shared_expert.") || tensor.endsWith(".mlp.shared_expert_gate.weight");
        boolean none = firstMoe(spec)
                .map(MoeSpec::sharedExpert)
                .filter(Optional::isPresent)
                .isEmpty();
        return super.ignores(spec, tensor) || (shared && none);
    }
}
