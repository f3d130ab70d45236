package ai.molae.djl.json;

import ai.molae.spec.Activation;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupScore;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

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

    private static final String DROPLESS = "dropless";

    /** A typing error in a count must not fill the memory. */
    private static final int MOST_LAYERS = 10_000;

    private static final Map<String, Activation> ACTIVATIONS = Map.of(
            "silu", Activation.SILU,
            "gelu", Activation.GELU,
            "gelu_pytorch_tanh", Activation.GELU_TANH,
            "relu", Activation.RELU,
            "relu2", Activation.RELU_SQUARED);
    private static final Map<String, ScoreFunction> SCORES = Map.of(
            "softmax", ScoreFunction.SOFTMAX,
            "softmax_over_chosen", ScoreFunction.SOFTMAX_OVER_CHOSEN,
            "sigmoid", ScoreFunction.SIGMOID);
    private static final Map<String, GroupScore> GROUP_SCORES =
            Map.of("max", GroupScore.MAX, "top2_sum", GroupScore.TOP2_SUM);
    private static final Map<String, AuxLossScope> SCOPES =
            Map.of("layer", AuxLossScope.LAYER, "model", AuxLossScope.MODEL, "sequence", AuxLossScope.SEQUENCE);
    private static final Map<String, ExpertOperator> OPERATORS =
            Map.of("gate", ExpertOperator.GATE, "up", ExpertOperator.UP, "down", ExpertOperator.DOWN);

    private SpecJson() {}

    /**
     * A layer as JSON.
     *
     * @param spec the layer
     * @return an indented object
     */
    public static String toJson(MoeSpec spec) {
        return GSON.toJson(moe(spec)) + "\n";
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
        return moe(JsonFields.parse(json));
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
        return latent(latent);
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
        return latent(JsonFields.of(path, tree));
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

    // ---- the layer ----

    private static JsonObject moe(MoeSpec spec) {
        JsonObject json = new JsonObject();
        json.addProperty("hidden_size", spec.hiddenSize());
        json.addProperty("moe_intermediate_size", spec.intermediateSize());
        json.addProperty("num_experts", spec.numExperts());
        json.addProperty("num_experts_per_tok", spec.topK());
        json.addProperty("hidden_act", name(ACTIVATIONS, spec.activation()));
        json.addProperty("gated", spec.gated());
        json.add("router", router(spec.router()));
        spec.latent().ifPresent(latent -> json.add("latent", latent(latent)));
        spec.sharedExpert().ifPresent(shared -> {
            JsonObject object = new JsonObject();
            object.addProperty("intermediate_size", shared.intermediateSize());
            object.addProperty("sigmoid_gated", shared.sigmoidGated());
            json.add("shared_expert", object);
        });
        return json;
    }

    private static MoeSpec moe(JsonFields json) {
        return json.build(() -> new MoeSpec(
                json.integer("hidden_size"),
                json.integer("moe_intermediate_size"),
                json.integer("num_experts"),
                json.integer("num_experts_per_tok"),
                json.constant("hidden_act", ACTIVATIONS),
                json.bool("gated"),
                router(json.object("router")),
                json.optionalObject("latent").map(SpecJson::latent),
                json.optionalObject("shared_expert")
                        .map(shared -> shared.build(() -> new SharedExpertSpec(
                                shared.integer("intermediate_size"), shared.bool("sigmoid_gated"))))));
    }

    private static JsonObject router(RouterSpec router) {
        JsonObject json = new JsonObject();
        json.addProperty("scoring_func", name(SCORES, router.scoreFunction()));
        json.addProperty("norm_topk_prob", router.normTopkProb());
        json.addProperty("routed_scaling_factor", router.routedScalingFactor());
        json.addProperty("correction_bias", router.correctionBias());
        json.addProperty("n_group", router.nGroup());
        json.addProperty("topk_group", router.topkGroup());
        json.addProperty("group_score", name(GROUP_SCORES, router.groupScore()));
        if (router.hasCapacity()) {
            json.addProperty("capacity_factor", router.capacityFactor());
        } else {
            json.addProperty("capacity_factor", DROPLESS);
        }
        json.addProperty("router_aux_loss_coef", router.auxLossCoef());
        json.addProperty("router_aux_loss_scope", name(SCOPES, router.auxLossScope()));
        json.addProperty("router_z_loss_coef", router.zLossCoef());
        return json;
    }

    private static RouterSpec router(JsonFields json) {
        return json.build(() -> new RouterSpec(
                json.constant("scoring_func", SCORES),
                json.bool("norm_topk_prob"),
                json.number("routed_scaling_factor"),
                json.bool("correction_bias"),
                json.integer("n_group"),
                json.integer("topk_group"),
                json.constant("group_score", GROUP_SCORES),
                json.is("capacity_factor", DROPLESS) ? Double.POSITIVE_INFINITY : json.number("capacity_factor"),
                json.number("router_aux_loss_coef"),
                json.constant("router_aux_loss_scope", SCOPES),
                json.number("router_z_loss_coef")));
    }

    private static JsonObject latent(LatentSpec latent) {
        JsonObject sizes = new JsonObject();
        latent.latentSizes().forEach((operator, size) -> sizes.addProperty(name(OPERATORS, operator), size));
        JsonObject json = new JsonObject();
        json.add("latent_sizes", sizes);
        json.addProperty("tied_gate_up", latent.tiedGateUp());
        if (latent.groups().isEmpty() || latent.groupSize() != 0) {
            json.addProperty("group_size", latent.groupSize());
        }
        latent.groups().ifPresent(groups -> {
            JsonArray groupOf = new JsonArray();
            groups.groupOf().forEach(groupOf::add);
            json.add("groups", groupOf);
        });
        return json;
    }

    private static LatentSpec latent(JsonFields json) {
        return json.build(() -> {
            JsonFields sizes = json.object("latent_sizes");
            Map<ExpertOperator, Integer> latentSizes = sizes.build(() -> {
                Map<ExpertOperator, Integer> map = new TreeMap<>();
                OPERATORS.forEach((name, operator) -> {
                    if (sizes.has(name)) {
                        map.put(operator, sizes.integer(name));
                    }
                });
                return map;
            });
            Optional<ExpertGroups> groups =
                    json.has("groups") ? Optional.of(new ExpertGroups(json.integers("groups"))) : Optional.empty();
            boolean withoutSize = groups.isPresent() && !json.has("group_size");
            return new LatentSpec(
                    latentSizes, json.bool("tied_gate_up"), withoutSize ? 0 : json.integer("group_size"), groups);
        });
    }

    // ---- the model ----

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
            json.add("moe", moe(moe));
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
            return json.has("dense") ? dense(json.object("dense")) : moe(json.object("moe"));
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
