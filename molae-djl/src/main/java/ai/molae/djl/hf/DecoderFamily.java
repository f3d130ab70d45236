package ai.molae.djl.hf;

import ai.molae.djl.json.SpecJson;
import ai.molae.spec.Activation;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.SpecLimits;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.List;
import java.util.Optional;

/** Keys that several published families share. */
abstract class DecoderFamily extends Family {

    /** Spellings of the number of routed experts; each family writes its own. */
    static final String[] EXPERTS = {"num_experts", "num_local_experts", "n_routed_experts"};

    static final JsonPrimitive ZERO = new JsonPrimitive(0);
    static final JsonPrimitive ONE = new JsonPrimitive(1);
    static final JsonPrimitive FALSE = new JsonPrimitive(false);
    static final JsonPrimitive TRUE = new JsonPrimitive(true);

    DecoderFamily(List<String> modelTypes, String architecture, ExpertNames expertNames) {
        super(modelTypes, architecture, expertNames);
    }

    static Activation activation(ConfigKeys keys, String key, String absent) {
        String name = keys.string(key).orElse(absent);
        return SpecJson.activation(name)
                .orElseThrow(
                        () -> keys.mustBe("one of silu, gelu, gelu_pytorch_tanh, relu, relu2, which molae has", key));
    }

    static int layers(ConfigKeys keys) {
        int layers = keys.size("num_hidden_layers");
        if (layers > SpecLimits.LAYERS) {
            throw keys.mustBe("at most " + SpecLimits.LAYERS, "num_hidden_layers");
        }
        return layers;
    }

    /** Width of a head, {@code hidden_size / num_attention_heads} where it is not given. */
    static int headDim(ConfigKeys keys) {
        if (keys.has("head_dim")) {
            return keys.size("head_dim");
        }
        int hidden = keys.size("hidden_size");
        int heads = keys.size("num_attention_heads");
        if (hidden % heads != 0) {
            throw keys.mustBe(
                    "a multiple of num_attention_heads = " + heads + " where head_dim is missing", "hidden_size");
        }
        return hidden / heads;
    }

    /** Key/value heads: null means one per query head, and so does absence where the family's class says so. */
    static int keyValueHeads(ConfigKeys keys, boolean optional) {
        boolean all = keys.mentions("num_key_value_heads") ? !keys.has("num_key_value_heads") : optional;
        return keys.size(all ? "num_attention_heads" : "num_key_value_heads");
    }

    static ModelSpec model(
            ConfigKeys keys,
            AttentionSpec attention,
            List<FeedForwardSpec> layers,
            int maxPositionEmbeddings,
            double rmsNormEps) {
        keys.off("attention_dropout", ZERO);
        keys.off("hidden_dropout", ZERO);
        keys.off("is_encoder_decoder", FALSE);
        keys.off("add_cross_attention", FALSE);
        keys.off("pruned_heads", new JsonObject());
        keys.off("mlp_bias", FALSE);
        keys.off("router_jitter_noise", ZERO);
        return new ModelSpec(
                keys.size("vocab_size"),
                keys.size("hidden_size"),
                attention,
                layers,
                maxPositionEmbeddings,
                keys.number("rms_norm_eps", rmsNormEps),
                keys.bool("tie_word_embeddings", false),
                keys.number("initializer_range", 0.02));
    }

    static void writeModel(ModelSpec spec, ConfigWriter out) {
        out.put("vocab_size", spec.vocabSize());
        out.put("hidden_size", spec.hiddenSize());
        out.put("num_hidden_layers", spec.numLayers());
        out.put("max_position_embeddings", spec.maxPositionEmbeddings());
        out.put("rms_norm_eps", spec.rmsNormEps());
        out.put("tie_word_embeddings", spec.tieWordEmbeddings());
        out.put("initializer_range", spec.initializerRange());
        FeedForwardSpec first = spec.feedForwards().get(0);
        Activation activation = first instanceof MoeSpec moe ? moe.activation() : ((DenseSpec) first).activation();
        out.put("hidden_act", SpecJson.name(activation));
    }

    GroupedQueryAttentionSpec grouped(ModelSpec spec) {
        if (spec.attention() instanceof GroupedQueryAttentionSpec grouped) {
            return grouped;
        }
        throw new IllegalArgumentException(cannot("express", "attention = " + spec.attention()));
    }

    LatentAttentionSpec latent(ModelSpec spec) {
        if (spec.attention() instanceof LatentAttentionSpec latent) {
            return latent;
        }
        throw new IllegalArgumentException(cannot("express", "attention = " + spec.attention()));
    }

    static void writeGrouped(GroupedQueryAttentionSpec attention, ConfigWriter out) {
        out.put("num_attention_heads", attention.numAttentionHeads());
        out.put("num_key_value_heads", attention.numKeyValueHeads());
    }

    /** Where it differs from what its absence means, or stands there already. */
    static void writeHeadDim(ModelSpec spec, GroupedQueryAttentionSpec attention, ConfigWriter out) {
        boolean derived = (long) attention.headDim() * attention.numAttentionHeads() == spec.hiddenSize();
        if (!derived || out.keys().mentions("head_dim")) {
            out.put("head_dim", attention.headDim());
        }
    }

    static Optional<MoeSpec> firstMoe(ModelSpec spec) {
        return spec.feedForwards().stream()
                .filter(MoeSpec.class::isInstance)
                .map(MoeSpec.class::cast)
                .findFirst();
    }

    static Optional<DenseSpec> firstDense(ModelSpec spec) {
        return spec.feedForwards().stream()
                .filter(DenseSpec.class::isInstance)
                .map(DenseSpec.class::cast)
                .findFirst();
    }

    MoeSpec onlyMoe(ModelSpec spec) {
        if (spec.feedForwards().get(0) instanceof MoeSpec moe) {
            return moe;
        }
        throw new IllegalArgumentException(
                cannot("express", "feedForwards[0] = " + spec.feedForwards().get(0)));
    }
}
