package ai.molae.djl.hf;

import ai.molae.spec.AuxLossScope;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RouterSpec;
import com.google.gson.JsonNull;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** OLMoE: norm over all of q and k, optional clipping, every layer MoE. */
final class OlmoeFamily extends DecoderFamily {

    OlmoeFamily() {
        super(List.of("olmoe"), "OlmoeForCausalLM", ExpertNames.usual("shared_expert"));
    }

    private static RopeConfig rope(int maxPositionEmbeddings) {
        return new RopeConfig(maxPositionEmbeddings, 1e4, false, false);
    }

    @Override
    ModelSpec read(ConfigKeys keys) {
        int layers = layers(keys);
        int longest = keys.size("max_position_embeddings", 4096);
        boolean bias = keys.bool("attention_bias", false);
        GroupedQueryAttentionSpec attention = new GroupedQueryAttentionSpec(
                keys.size("num_attention_heads"),
                keyValueHeads(keys, true),
                headDim(keys),
                rope(longest).read(keys),
                bias,
                bias,
                QkNorm.FULL,
                keys.number("clip_qkv", Double.POSITIVE_INFINITY),
                Optional.empty());
        FeedForwardSpec moe = MoeSpec.builder()
                .setHiddenSize(keys.size("hidden_size"))
                .setIntermediateSize(keys.size("intermediate_size"))
                .setNumExperts(keys.size(EXPERTS))
                .setTopK(keys.size("num_experts_per_tok", 8))
                .optActivation(activation(keys, "hidden_act", "silu"))
                .optRouter(RouterSpec.builder()
                        .optNormTopkProb(keys.bool("norm_topk_prob", false))
                        .optAuxLossCoef(keys.number("router_aux_loss_coef", 0.01))
                        .optAuxLossScope(AuxLossScope.MODEL)
                        .build())
                .build();
        return model(keys, attention, Collections.nCopies(layers, moe), longest, 1e-5);
    }

    @Override
    void write(ModelSpec spec, ConfigWriter out) {
        GroupedQueryAttentionSpec attention = grouped(spec);
        MoeSpec moe = onlyMoe(spec);
        writeModel(spec, out);
        writeGrouped(attention, out);
        writeHeadDim(spec, attention, out);
        rope(spec.maxPositionEmbeddings()).write(out, attention.rope());
        out.put("attention_bias", attention.qkvBias());
        if (Double.isFinite(attention.clipQkv())) {
            out.put("clip_qkv", attention.clipQkv());
        } else {
            out.put("clip_qkv", JsonNull.INSTANCE);
        }
        out.put("intermediate_size", moe.intermediateSize());
        out.put("num_experts", moe.numExperts(), EXPERTS);
        out.put("num_experts_per_tok", moe.topK());
        out.put("norm_topk_prob", moe.router().normTopkProb());
        out.put("router_aux_loss_coef", moe.router().auxLossCoef());
    }
}
