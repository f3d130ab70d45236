package ai.molae.djl.json;

import ai.molae.spec.Activation;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Specs as JSON and back, without loss. Keys are those of Hugging Face's {@code config.json} where it has them. A layer:
 *
 * <pre>{@code
 * {
 *   "hidden_size": 2048, "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8,
 *   "hidden_act": "silu",                          silu, gelu, gelu_pytorch_tanh, relu, relu2
 *   "gated": true,
 *   "router": {
 *     "scoring_func": "softmax",                   softmax, softmax_over_chosen, sigmoid
 *     "norm_topk_prob": true, "routed_scaling_factor": 1.0, "correction_bias": false,
 *     "n_group": 1, "topk_group": 1, "group_score": "max",                  max, top2_sum
 *     "capacity_factor": "dropless",               or a number
 *     "router_aux_loss_coef": 0.001, "router_z_loss_coef": 0.0,
 *     "router_aux_loss_scope": "layer"                                      layer, model, sequence
 *   },
 *   "latent": {                                    absent for a standard layer
 *     "latent_sizes": {"gate": 768, "up": 768, "down": 768},                the factored operators
 *     "tied_gate_up": false,
 *     "group_size": 128,                           may be absent if there are "groups"
 *     "groups": [0, 0, 1, 1]                       the group of every expert; absent for consecutive groups
 *   },
 *   "shared_expert": {"intermediate_size": 768, "sigmoid_gated": false}     absent for none
 * }
 * }</pre>
 *
 * A model:
 *
 * <pre>{@code
 * {
 *   "vocab_size": 32000, "hidden_size": 512,
 *   "attention": {
 *     "type": "grouped_query", "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 64,
 *     "rope_theta": 10000.0, "rope_interleave": false,
 *     "rope_scaling": {"rope_type": "linear", "factor": 2.0},               absent for none; dynamic, yarn, llama3
 *     "qkv_bias": false, "output_bias": false, "qk_norm": "none",           none, per_head, full
 *     "clip_qkv": 8.0, "sliding_window": {"size": 4096, "layers": [0, 2]}   absent for none
 *   },                                             or "type": "latent" with q_lora_rank, kv_lora_rank, qk_nope_head_dim,
 *                                                  qk_rope_head_dim, v_head_dim, norm_eps, bias and the RoPE keys
 *   "layers": [
 *     {"count": 1, "dense": {"hidden_size": 512, "intermediate_size": 2048, "hidden_act": "silu", "gated": true}},
 *     {"count": 11, "moe": { a layer as above }}
 *   ],
 *   "max_position_embeddings": 2048, "rms_norm_eps": 1.0E-6, "tie_word_embeddings": true, "initializer_range": 0.02
 * }
 * }</pre>
 *
 * <p>Reading is strict: an unknown or repeated key, a missing one or a value of the wrong type is an {@link IllegalArgumentException} that
 * names the key with its path and the value, and so is a spec that contradicts itself.
 */
public final class SpecJson {

    private static final Gson GSON =
            new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();

    /** A typing error in a count must not fill the memory. */
    private static final int MOST_LAYERS = 10_000;

    static final Map<String, Activation> ACTIVATIONS = Map.of(
            "silu", Activation.SILU,
            "gelu", Activation.GELU,
            "gelu_pytorch_tanh", Activation.GELU_TANH,
            "relu", Activation.RELU,
            "relu2", Activation.RELU_SQUARED);

    private SpecJson() {}

    /**
     * A layer as JSON.
     *
     * @param spec the layer
     * @return an indented object
     */
    public static String toJson(MoeSpec spec) {
        return GSON.toJson(MoeJson.write(spec)) + "\n";
    }

    /**
     * A model as JSON, equal consecutive layers written once.
     *
     * @param spec the model
     * @return an indented object
     */
    public static String toJson(ModelSpec spec) {
        return GSON.toJson(model(spec)) + "\n";
    }

    /**
     * Reads a layer.
     *
     * @param json what {@link #toJson(MoeSpec)} writes
     * @return the layer
     * @throws IllegalArgumentException if the text is not JSON, a key is unknown, repeated or missing, a value has the wrong type, or the
     *     spec contradicts itself
     */
    public static MoeSpec parseMoe(String json) {
        return MoeJson.read(JsonFields.parse(json));
    }

    /**
     * Reads a model.
     *
     * @param json what {@link #toJson(ModelSpec)} writes
     * @return the model
     * @throws IllegalArgumentException if the text is not JSON, a key is unknown, repeated or missing, a value has the wrong type, or the
     *     spec contradicts itself
     */
    public static ModelSpec parseModel(String json) {
        return model(JsonFields.parse(json));
    }

    /**
     * A model as a JSON object, for a file that has other keys besides.
     *
     * @param spec the model
     * @return what {@link #toJson(ModelSpec)} writes, as a tree
     */
    public static JsonObject toTree(ModelSpec spec) {
        return model(spec);
    }

    /**
     * Factored operators as a JSON object.
     *
     * @param latent the latent part of a layer
     * @return the value of {@code latent} in a layer's JSON
     */
    public static JsonObject toTree(LatentSpec latent) {
        return MoeJson.write(latent);
    }

    /**
     * Reads a model out of a larger file.
     *
     * @param path where the object stands, for messages; empty or ending with a dot
     * @param tree what {@link #toTree(ModelSpec)} makes
     * @return the model
     * @throws IllegalArgumentException as {@link #parseModel} throws
     */
    public static ModelSpec model(String path, JsonObject tree) {
        return model(JsonFields.of(path, tree));
    }

    /**
     * Reads factored operators out of a larger file.
     *
     * @param path where the object stands, for messages; empty or ending with a dot
     * @param tree what {@link #toTree(LatentSpec)} makes
     * @return the latent part
     * @throws IllegalArgumentException as {@link #parseMoe} throws
     */
    public static LatentSpec latent(String path, JsonObject tree) {
        return MoeJson.readLatent(JsonFields.of(path, tree));
    }

    /**
     * An activation by Hugging Face's name.
     *
     * @param name silu, gelu, gelu_pytorch_tanh, relu or relu2
     * @return the activation; empty for any other name
     */
    public static Optional<Activation> activation(String name) {
        return Optional.ofNullable(ACTIVATIONS.get(name));
    }

    /**
     * Hugging Face's name of an activation.
     *
     * @param activation the activation
     * @return silu, gelu, gelu_pytorch_tanh, relu or relu2
     */
    public static String name(Activation activation) {
        return name(ACTIVATIONS, activation);
    }

    private static JsonObject model(ModelSpec spec) {
        JsonObject json = new JsonObject();
        json.addProperty("vocab_size", spec.vocabSize());
        json.addProperty("hidden_size", spec.hiddenSize());
        json.add("attention", AttentionJson.write(spec.attention()));
        JsonArray layers = new JsonArray();
        List<FeedForwardSpec> all = spec.feedForwards();
        int from = 0;
        while (from < all.size()) {
            int to = from;
            while (to < all.size() && all.get(to).equals(all.get(from))) {
                to++;
            }
            layers.add(layers(to - from, all.get(from)));
            from = to;
        }
        json.add("layers", layers);
        json.addProperty("max_position_embeddings", spec.maxPositionEmbeddings());
        json.addProperty("rms_norm_eps", spec.rmsNormEps());
        json.addProperty("tie_word_embeddings", spec.tieWordEmbeddings());
        json.addProperty("initializer_range", spec.initializerRange());
        return json;
    }

    private static ModelSpec model(JsonFields json) {
        return json.build(() -> {
            List<FeedForwardSpec> feedForwards = new ArrayList<>();
            for (JsonFields layers : json.objects("layers")) {
                addLayers(layers, feedForwards);
            }
            return new ModelSpec(
                    json.integer("vocab_size"),
                    json.integer("hidden_size"),
                    AttentionJson.read(json.object("attention")),
                    feedForwards,
                    json.integer("max_position_embeddings"),
                    json.number("rms_norm_eps"),
                    json.bool("tie_word_embeddings"),
                    json.number("initializer_range"));
        });
    }

    private static JsonObject layers(int count, FeedForwardSpec feedForward) {
        JsonObject json = new JsonObject();
        json.addProperty("count", count);
        if (feedForward instanceof MoeSpec moe) {
            json.add("moe", MoeJson.write(moe));
        } else if (feedForward instanceof DenseSpec dense) {
            JsonObject object = new JsonObject();
            object.addProperty("hidden_size", dense.hiddenSize());
            object.addProperty("intermediate_size", dense.intermediateSize());
            object.addProperty("hidden_act", name(ACTIVATIONS, dense.activation()));
            object.addProperty("gated", dense.gated());
            json.add("dense", object);
        }
        return json;
    }

    private static void addLayers(JsonFields json, List<FeedForwardSpec> feedForwards) {
        FeedForwardSpec feedForward = json.build(() -> {
            if (json.integer("count") < 1) {
                throw json.unexpected("count", "positive");
            }
            if (json.integer("count") > MOST_LAYERS - feedForwards.size()) {
                throw json.unexpected("count", "at most " + MOST_LAYERS + " with the layers before");
            }
            return json.has("dense") ? dense(json.object("dense")) : MoeJson.read(json.object("moe"));
        });
        for (int i = json.integer("count"); i > 0; i--) {
            feedForwards.add(feedForward);
        }
    }

    private static FeedForwardSpec dense(JsonFields json) {
        return json.build(() -> new DenseSpec(
                json.integer("hidden_size"),
                json.integer("intermediate_size"),
                json.constant("hidden_act", ACTIVATIONS),
                json.bool("gated")));
    }

    static <E> String name(Map<String, E> names, E constant) {
        return names.entrySet().stream()
                .filter(entry -> entry.getValue().equals(constant))
                .map(Map.Entry::getKey)
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no JSON name for " + constant));
    }
}
