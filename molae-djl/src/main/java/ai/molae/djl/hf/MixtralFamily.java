package ai.molae.djl.hf;

import ai.molae.spec.AuxLossScope;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Collections;
import java.util.List;

/** Mixtral: softmax over the chosen experts, every layer MoE. */
final class MixtralFamily extends DecoderFamily {

    MixtralFamily() {
        super(
                List.of("mixtral"),
                "MixtralForCausalLM",
                new ExpertNames(
                        List.of("block_sparse_moe", "mlp"),
                        "w1",
                        "w3",
                        "w2",
                        "shared_expert",
                        "experts.latent_in",
                        "experts.latent_out"));
    }

    private static RopeConfig rope(int maxPositionEmbeddings) {
        return new RopeConfig(maxPositionEmbeddings, 1e6, false, false);
    }

    @Override
    ModelSpec read(ConfigKeys keys) {
        int layers = layers(keys);
        int longest = keys.size("max_position_embeddings", 131_072);
        keys.off("attention_bias", FALSE);
        GroupedQueryAttentionSpec attention = new GroupedQueryAttentionSpec(
                keys.size("num_attention_heads"),
                keyValueHeads(keys, false),
                headDim(keys),
                rope(longest).read(keys),
                false,
                false,
                QkNorm.NONE,
                Double.POSITIVE_INFINITY,
                WindowConfig.everywhere(keys, layers, keys.has("sliding_window"), 0));
        FeedForwardSpec moe = MoeSpec.builder()
                .setHiddenSize(keys.size("hidden_size"))
                .setIntermediateSize(keys.size("intermediate_size"))
                .setNumExperts(keys.size(EXPERTS))
                .setTopK(keys.size("num_experts_per_tok", 2))
                .optActivation(activation(keys, "hidden_act", "silu"))
                .optRouter(RouterSpec.builder()
                        .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                        .optAuxLossCoef(keys.number("router_aux_loss_coef", 0.001))
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
        WindowConfig.writeEverywhere(out, attention, spec.numLayers());
        rope(spec.maxPositionEmbeddings()).write(out, attention.rope());
        out.put("intermediate_size", moe.intermediateSize());
        out.put("num_local_experts", moe.numExperts(), EXPERTS);
        out.put("num_experts_per_tok", moe.topK());
        out.put("router_aux_loss_coef", moe.router().auxLossCoef());
    }
}
