package ai.molae.djl.hf;

import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The MoE layers of Nemotron-H (model_type nemotron_h): ungated experts with squared ReLU behind one pair of latent projections, LatentMoE (arXiv
 * 2601.18089), and a shared expert on the full width. As a {@link MoeSpec}: up and down factored, in one group.
 *
 * <pre>
 *   latent_in  = fc1_latent_proj    latent_out = fc2_latent_proj    up, down = experts.{e}.up_proj, down_proj
 * </pre>
 *
 * The whole model cannot be read: its Mamba layers are not implemented.
 */
public final class NemotronLatentMoe {

    /** The {@code model_type} of these files. */
    public static final String MODEL_TYPE = "nemotron_h";

    private static final ExpertNames NAMES = new ExpertNames(
            List.of("mixer"),
            "gate_proj",
            "up_proj",
            "down_proj",
            "shared_experts",
            "fc1_latent_proj.weight",
            "fc2_latent_proj.weight");
    private static final Set<String> READ = Set.of("moe_shared_expert_overlap", "mlp_hidden_act");

    private NemotronLatentMoe() {}

    /**
     * Parses a file; Python's Infinity, which these files contain, is understood.
     *
     * @param json the text of a {@code config.json}
     * @return its keys
     * @throws IllegalArgumentException if it is not JSON or its model_type is another
     */
    public static JsonObject parse(String json) {
        JsonObject config = PythonJson.parse(json);
        new ConfigKeys("", config).word("model_type", MODEL_TYPE, List.of(MODEL_TYPE));
        return config;
    }

    /**
     * What a MoE layer is; they are all alike.
     *
     * @param config the file
     * @return the layer; without latent part if the file has no {@code moe_latent_size}
     * @throws IllegalArgumentException if a size is missing, an option is not implemented, or the numbers do not fit together; the message names key and value
     */
    public static MoeSpec spec(JsonObject config) {
        ConfigKeys keys = new ConfigKeys("", config);
        keys.off("mlp_bias", new JsonPrimitive(false));
        keys.off("latent_moe_use_norm", new JsonPrimitive(false));
        keys.off("n_shared_experts", new JsonPrimitive(1));
        int numExperts = keys.size("n_routed_experts", "num_experts", "num_local_experts");
        MoeSpec.Builder builder = MoeSpec.builder()
                .setHiddenSize(keys.size("hidden_size"))
                .setIntermediateSize(keys.size("moe_intermediate_size"))
                .setNumExperts(numExperts)
                .setTopK(keys.size("num_experts_per_tok"))
                .optActivation(activation(keys))
                .optGated(false)
                .optRouter(RouterSpec.builder()
                        .optScoreFunction(ScoreFunction.SIGMOID)
                        .optCorrectionBias(true)
                        .optNormTopkProb(keys.bool("norm_topk_prob", true))
                        .optRoutedScalingFactor(keys.number("routed_scaling_factor", 1))
                        .optGroupLimit(keys.size("n_group", 1), keys.size("topk_group", 1), GroupScore.TOP2_SUM)
                        .build())
                .optSharedExpert(SharedExpertSpec.of(keys.size("moe_shared_expert_intermediate_size")));
        if (keys.has("moe_latent_size")) {
            builder.optLatent(LatentSpec.builder()
                    .setLatentSize(keys.size("moe_latent_size"))
                    .setGroupSize(numExperts)
                    .optFactored(ExpertOperator.UP, ExpertOperator.DOWN)
                    .build());
        }
        keys.refuseUnknown(others(config));
        return builder.build();
    }

    private static Activation activation(ConfigKeys keys) {
        return DecoderFamily.activation(keys, "mlp_hidden_act", "relu2");
    }

    /** Keys of the other layers, and those that do not matter: all but options of the experts. */
    private static Set<String> others(JsonObject config) {
        Set<String> harmless = KnownKeys.harmlessAnd(READ.toArray(String[]::new));
        for (String key : config.keySet()) {
            if (!key.matches("(moe|mlp|router|expert|latent|shared|topk|routed|scoring)_.*|.*_moe_.*")) {
                harmless.add(key);
            }
        }
        return harmless;
    }

    /**
     * Which layers are MoE.
     *
     * @param config the file
     * @return their indices; from {@code layers_block_type} or, in older files, {@code hybrid_override_pattern}
     * @throws IllegalArgumentException if the file has neither
     */
    public static List<Integer> layers(JsonObject config) {
        ConfigKeys keys = new ConfigKeys("", config);
        List<Integer> layers = new ArrayList<>();
        if (keys.has("layers_block_type", "layer_types")) {
            List<String> types = keys.strings(keys.has("layers_block_type") ? "layers_block_type" : "layer_types");
            for (int i = 0; i < types.size(); i++) {
                if (types.get(i).equals("moe")) {
                    layers.add(i);
                }
            }
            return layers;
        }
        String pattern = keys.string("hybrid_override_pattern")
                .orElseThrow(
                        () -> new IllegalArgumentException(
                                "missing key layers_block_type or hybrid_override_pattern in config.json, which say what each layer is"));
        for (int i = 0; i < pattern.length(); i++) {
            if (pattern.charAt(i) == 'E') {
                layers.add(i);
            }
        }
        return layers;
    }

    /**
     * Where the parameters of a layer lie.
     *
     * @param spec the layer, see {@link #spec}
     * @param layer its index
     * @param present the names of the checkpoint's tensors; their prefix is {@code backbone.} or {@code model.}
     * @return one binding per parameter of the spec, under the parameter's own name
     */
    public static List<TensorBinding> bindings(MoeSpec spec, int layer, Set<String> present) {
        String model = "model.layers." + layer + ".";
        boolean renamed = present.contains(model + "mixer.gate.weight");
        return List.copyOf(NAMES.bindings(spec, "", renamed ? model : "backbone.layers." + layer + ".", present));
    }
}
