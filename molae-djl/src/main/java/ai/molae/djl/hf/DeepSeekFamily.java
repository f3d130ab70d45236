package ai.molae.djl.hf;

import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.SharedExpertSpec;
import com.google.gson.JsonNull;
import com.google.gson.JsonPrimitive;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What DeepSeek-V2 and V3 share: multi-head latent attention, dense layers first, shared experts without gate, the balancing loss. */
abstract class DeepSeekFamily extends DecoderFamily {

    private final int defaultLength;
    private final int defaultFirstMoe;

    DeepSeekFamily(List<String> modelTypes, String architecture, int defaultLength, int defaultFirstMoe) {
        super(modelTypes, architecture, ExpertNames.usual("shared_experts"));
        this.defaultLength = defaultLength;
        this.defaultFirstMoe = defaultFirstMoe;
    }

    abstract boolean interleaved(ConfigKeys keys);

    abstract int topK(ConfigKeys keys);

    /** The router without balancing loss. */
    abstract RouterSpec.Builder router(ConfigKeys keys);

    abstract void writeInterleaved(boolean interleaved, ConfigWriter out);

    abstract void writeRouter(RouterSpec router, ConfigWriter out);

    private static RopeConfig rope(int maxPositionEmbeddings, boolean interleaved) {
        return new RopeConfig(maxPositionEmbeddings, 1e4, interleaved, true);
    }

    @Override
    final ModelSpec read(ConfigKeys keys) {
        int layers = layers(keys);
        int longest = keys.size("max_position_embeddings", defaultLength);
        int firstMoe = Math.min(layers, keys.count("first_k_dense_replace", defaultFirstMoe));
        keys.off("moe_layer_freq", ONE);
        List<FeedForwardSpec> feedForwards = new ArrayList<>();
        if (firstMoe > 0) {
            FeedForwardSpec dense = new DenseSpec(
                    keys.size("hidden_size"),
                    keys.size("intermediate_size"),
                    activation(keys, "hidden_act", "silu"),
                    true);
            for (int i = 0; i < firstMoe; i++) {
                feedForwards.add(dense);
            }
        }
        if (firstMoe < layers) {
            FeedForwardSpec moe = moe(keys);
            for (int i = firstMoe; i < layers; i++) {
                feedForwards.add(moe);
            }
        } else {
            passOverExperts(keys);
        }
        keys.has("intermediate_size");
        return model(keys, attention(keys, longest), feedForwards, longest, 1e-6);
    }

    private LatentAttentionSpec attention(ConfigKeys keys, int longest) {
        int heads = keys.size("num_attention_heads");
        int nope = keys.size("qk_nope_head_dim");
        int turned = keys.size("qk_rope_head_dim");
        derived(keys, "num_key_value_heads", heads, "num_attention_heads");
        derived(keys, "head_dim", turned, "qk_rope_head_dim");
        derived(keys, "qk_head_dim", Math.addExact(nope, turned), "qk_nope_head_dim + qk_rope_head_dim");
        return new LatentAttentionSpec(
                heads,
                isNull(keys, "q_lora_rank") ? 0 : keys.size("q_lora_rank"),
                keys.size("kv_lora_rank"),
                nope,
                turned,
                keys.size("v_head_dim"),
                rope(longest, interleaved(keys)).read(keys),
                LatentAttentionSpec.NORM_EPS,
                keys.bool("attention_bias", false));
    }

    /** A key that files repeat although others decide it. */
    private static void derived(ConfigKeys keys, String key, int value, String from) {
        if (keys.has(key) && keys.size(key) != value) {
            throw keys.mustBe(from + " = " + value, key);
        }
    }

    private MoeSpec moe(ConfigKeys keys) {
        int width = keys.size("moe_intermediate_size");
        int topK = topK(keys);
        int shared = isNull(keys, "n_shared_experts") ? 0 : keys.count("n_shared_experts");
        if ((long) width * shared > ConfigKeys.LARGEST) {
            throw keys.mustBe(
                    "at most " + ConfigKeys.LARGEST + " with moe_intermediate_size = " + width + " multiplied",
                    "n_shared_experts");
        }
        return new MoeSpec(
                keys.size("hidden_size"),
                width,
                keys.size("n_routed_experts", "num_experts", "num_local_experts"),
                topK,
                activation(keys, "hidden_act", "silu"),
                true,
                router(keys)
                        .optAuxLossCoef(auxLossCoef(keys.decimal("aux_loss_alpha", "0"), topK))
                        .optAuxLossScope(keys.bool("seq_aux", true) ? AuxLossScope.SEQUENCE : AuxLossScope.LAYER)
                        .build(),
                Optional.empty(),
                shared == 0 ? Optional.empty() : Optional.of(SharedExpertSpec.of(width * shared)));
    }

    /** These decide shapes and have no default, but null means none. */
    private static boolean isNull(ConfigKeys keys, String key) {
        return keys.mentions(key) && !keys.has(key);
    }

    private static void passOverExperts(ConfigKeys keys) {
        for (String key : List.of(
                "n_routed_experts",
                "num_experts",
                "num_local_experts",
                "moe_intermediate_size",
                "num_experts_per_tok",
                "n_shared_experts",
                "norm_topk_prob",
                "routed_scaling_factor",
                "scoring_func",
                "topk_method",
                "n_group",
                "topk_group",
                "aux_loss_alpha",
                "seq_aux")) {
            keys.has(key);
        }
    }

    /** DeepSeek divides the load by K. Digits beyond a double's are written where no double gives the coefficient back. */
    private static double auxLossCoef(BigDecimal alpha, int topK) {
        double rounded = alpha.doubleValue();
        return Double.isFinite(rounded) && new BigDecimal(Double.toString(rounded)).compareTo(alpha) == 0
                ? rounded / topK
                : alpha.divide(BigDecimal.valueOf(topK), MathContext.DECIMAL128).doubleValue();
    }

    private static BigDecimal alpha(double coefficient, int topK) {
        double near = coefficient * topK;
        for (double candidate : new double[] {near, Math.nextUp(near), Math.nextDown(near)}) {
            if (candidate / topK == coefficient) {
                return new BigDecimal(Double.toString(candidate));
            }
        }
        return new BigDecimal(coefficient).multiply(BigDecimal.valueOf(topK)).round(new MathContext(25));
    }

    @Override
    final void write(ModelSpec spec, ConfigWriter out) {
        LatentAttentionSpec attention = latent(spec);
        writeModel(spec, out);
        writeAttention(attention, out);
        writeInterleaved(attention.rope().interleaved(), out);
        rope(spec.maxPositionEmbeddings(), attention.rope().interleaved()).write(out, attention.rope());
        int firstMoe = 0;
        while (firstMoe < spec.numLayers() && spec.feedForwards().get(firstMoe) instanceof DenseSpec) {
            firstMoe++;
        }
        boolean dense = firstMoe == spec.numLayers();
        if (!dense || out.keys().count("first_k_dense_replace", defaultFirstMoe) < firstMoe) {
            out.put("first_k_dense_replace", firstMoe);
        }
        firstDense(spec).ifPresent(layer -> out.put("intermediate_size", layer.intermediateSize()));
        firstMoe(spec).ifPresent(moe -> writeMoe(moe, out));
    }

    private static void writeAttention(LatentAttentionSpec attention, ConfigWriter out) {
        out.put("num_attention_heads", attention.numAttentionHeads());
        out.put("num_key_value_heads", attention.numAttentionHeads());
        if (attention.qLoraRank() == 0) {
            out.put("q_lora_rank", JsonNull.INSTANCE);
        } else {
            out.put("q_lora_rank", attention.qLoraRank());
        }
        out.put("kv_lora_rank", attention.kvLoraRank());
        out.put("qk_nope_head_dim", attention.qkNopeHeadDim());
        out.put("qk_rope_head_dim", attention.qkRopeHeadDim());
        out.put("v_head_dim", attention.vHeadDim());
        out.put("attention_bias", attention.bias());
        if (out.keys().has("head_dim")) {
            out.put("head_dim", attention.qkRopeHeadDim());
        }
        if (out.keys().has("qk_head_dim")) {
            out.put("qk_head_dim", attention.qkNopeHeadDim() + attention.qkRopeHeadDim());
        }
    }

    private void writeMoe(MoeSpec moe, ConfigWriter out) {
        int shared = moe.sharedExpert().map(SharedExpertSpec::intermediateSize).orElse(0) / moe.intermediateSize();
        out.put("moe_intermediate_size", moe.intermediateSize());
        out.put("n_routed_experts", moe.numExperts(), EXPERTS);
        out.put("num_experts_per_tok", moe.topK());
        if (shared > 0 || !isNull(out.keys(), "n_shared_experts")) {
            out.put("n_shared_experts", shared);
        }
        writeRouter(moe.router(), out);
        RouterSpec router = moe.router();
        boolean silent = router.auxLossCoef() == 0 && router.auxLossScope() == AuxLossScope.SEQUENCE;
        if (!silent || out.keys().has("aux_loss_alpha") || out.keys().has("seq_aux")) {
            out.put("aux_loss_alpha", new JsonPrimitive(alpha(router.auxLossCoef(), moe.topK())));
            out.put("seq_aux", router.auxLossScope() == AuxLossScope.SEQUENCE);
        }
    }
}
