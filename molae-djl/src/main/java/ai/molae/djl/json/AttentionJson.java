package ai.molae.djl.json;

import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.SlidingWindow;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;

/** The attention part of {@link SpecJson}. What is off is left out: {@code clip_qkv}, {@code sliding_window}, {@code rope_scaling}. */
final class AttentionJson {

    private static final Map<String, QkNorm> QK_NORMS =
            Map.of("none", QkNorm.NONE, "per_head", QkNorm.PER_HEAD, "full", QkNorm.FULL);

    private AttentionJson() {}

    static JsonObject write(AttentionSpec attention) {
        JsonObject json = new JsonObject();
        if (attention instanceof GroupedQueryAttentionSpec grouped) {
            json.addProperty("type", "grouped_query");
            json.addProperty("num_attention_heads", grouped.numAttentionHeads());
            json.addProperty("num_key_value_heads", grouped.numKeyValueHeads());
            json.addProperty("head_dim", grouped.headDim());
            rope(json, grouped.rope());
            json.addProperty("qkv_bias", grouped.qkvBias());
            json.addProperty("output_bias", grouped.outputBias());
            json.addProperty("qk_norm", SpecJson.name(QK_NORMS, grouped.qkNorm()));
            if (Double.isFinite(grouped.clipQkv())) {
                json.addProperty("clip_qkv", grouped.clipQkv());
            }
            grouped.slidingWindow().ifPresent(window -> {
                JsonArray layers = new JsonArray();
                window.layers().forEach(layers::add);
                JsonObject object = new JsonObject();
                object.addProperty("size", window.size());
                object.add("layers", layers);
                json.add("sliding_window", object);
            });
        } else if (attention instanceof LatentAttentionSpec latent) {
            json.addProperty("type", "latent");
            json.addProperty("num_attention_heads", latent.numAttentionHeads());
            json.addProperty("q_lora_rank", latent.qLoraRank());
            json.addProperty("kv_lora_rank", latent.kvLoraRank());
            json.addProperty("qk_nope_head_dim", latent.qkNopeHeadDim());
            json.addProperty("qk_rope_head_dim", latent.qkRopeHeadDim());
            json.addProperty("v_head_dim", latent.vHeadDim());
            rope(json, latent.rope());
            json.addProperty("norm_eps", latent.normEps());
            json.addProperty("bias", latent.bias());
        }
        return json;
    }

    static AttentionSpec read(JsonFields json) {
        return json.build(() -> {
            if (json.is("type", "grouped_query")) {
                return new GroupedQueryAttentionSpec(
                        json.integer("num_attention_heads"),
                        json.integer("num_key_value_heads"),
                        json.integer("head_dim"),
                        rope(json),
                        json.bool("qkv_bias"),
                        json.bool("output_bias"),
                        json.constant("qk_norm", QK_NORMS),
                        json.has("clip_qkv") ? json.number("clip_qkv") : Double.POSITIVE_INFINITY,
                        json.optionalObject("sliding_window")
                                .map(window -> window.build(() -> new SlidingWindow(
                                        window.integer("size"), new HashSet<>(window.integers("layers"))))));
            }
            if (json.is("type", "latent")) {
                return new LatentAttentionSpec(
                        json.integer("num_attention_heads"),
                        json.integer("q_lora_rank"),
                        json.integer("kv_lora_rank"),
                        json.integer("qk_nope_head_dim"),
                        json.integer("qk_rope_head_dim"),
                        json.integer("v_head_dim"),
                        rope(json),
                        json.number("norm_eps"),
                        json.bool("bias"));
            }
            throw json.unexpected("type", "one of [grouped_query, latent]");
        });
    }

    private static void rope(JsonObject json, RopeSpec rope) {
        json.addProperty("rope_theta", rope.theta());
        json.addProperty("rope_interleave", rope.interleaved());
        JsonObject scaling = new JsonObject();
        if (rope.scaling() instanceof RopeScaling.Linear linear) {
            scaling.addProperty("rope_type", "linear");
            scaling.addProperty("factor", linear.factor());
        } else if (rope.scaling() instanceof RopeScaling.Dynamic dynamic) {
            scaling.addProperty("rope_type", "dynamic");
            scaling.addProperty("factor", dynamic.factor());
            scaling.addProperty("original_max_position_embeddings", dynamic.originalMaxPositionEmbeddings());
        } else if (rope.scaling() instanceof RopeScaling.Yarn yarn) {
            scaling.addProperty("rope_type", "yarn");
            scaling.addProperty("factor", yarn.factor());
            scaling.addProperty("original_max_position_embeddings", yarn.originalMaxPositionEmbeddings());
            scaling.addProperty("beta_fast", yarn.betaFast());
            scaling.addProperty("beta_slow", yarn.betaSlow());
            scaling.addProperty("attention_factor", yarn.attentionFactor());
            scaling.addProperty("softmax_mscale", yarn.softmaxMscale());
            scaling.addProperty("truncate", yarn.truncate());
        } else if (rope.scaling() instanceof RopeScaling.Llama3 llama3) {
            scaling.addProperty("rope_type", "llama3");
            scaling.addProperty("factor", llama3.factor());
            scaling.addProperty("low_freq_factor", llama3.lowFreqFactor());
            scaling.addProperty("high_freq_factor", llama3.highFreqFactor());
            scaling.addProperty("original_max_position_embeddings", llama3.originalMaxPositionEmbeddings());
        }
        if (scaling.size() > 0) {
            json.add("rope_scaling", scaling);
        }
    }

    private static RopeSpec rope(JsonFields json) {
        Optional<JsonFields> scaling = json.optionalObject("rope_scaling");
        return new RopeSpec(
                json.number("rope_theta"),
                json.bool("rope_interleave"),
                scaling.map(AttentionJson::scaling).orElseGet(RopeScaling.None::new));
    }

    private static RopeScaling scaling(JsonFields json) {
        return json.build(() -> {
            double factor = json.number("factor");
            if (json.is("rope_type", "linear")) {
                return new RopeScaling.Linear(factor);
            }
            int original = json.integer("original_max_position_embeddings");
            if (json.is("rope_type", "dynamic")) {
                return new RopeScaling.Dynamic(factor, original);
            }
            if (json.is("rope_type", "yarn")) {
                return new RopeScaling.Yarn(
                        factor,
                        original,
                        json.number("beta_fast"),
                        json.number("beta_slow"),
                        json.number("attention_factor"),
                        json.number("softmax_mscale"),
                        json.bool("truncate"));
            }
            if (json.is("rope_type", "llama3")) {
                return new RopeScaling.Llama3(
                        factor, json.number("low_freq_factor"), json.number("high_freq_factor"), original);
            }
            throw json.unexpected("rope_type", "one of [linear, dynamic, yarn, llama3]");
        });
    }
}
