package ai.molae.djl.json;

import ai.molae.spec.AuxLossScope;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** The MoE layers of {@link SpecJson}. */
final class MoeJson {

    private static final String DROPLESS = "dropless";

    private static final Map<String, ScoreFunction> SCORES = Map.of(
            "softmax", ScoreFunction.SOFTMAX,
            "softmax_over_chosen", ScoreFunction.SOFTMAX_OVER_CHOSEN,
            "sigmoid", ScoreFunction.SIGMOID);
    private static final Map<String, GroupScore> GROUP_SCORES =
            Map.of("max", GroupScore.MAX, "top2_sum", GroupScore.TOP2_SUM);
    private static final Map<String, AuxLossScope> SCOPES = Map.of(
            "layer", AuxLossScope.LAYER,
            "model", AuxLossScope.MODEL,
            "sequence", AuxLossScope.SEQUENCE,
            "global", AuxLossScope.GLOBAL);
    private static final Map<String, ExpertOperator> OPERATORS =
            Map.of("gate", ExpertOperator.GATE, "up", ExpertOperator.UP, "down", ExpertOperator.DOWN);

    private MoeJson() {}

    static JsonObject write(MoeSpec spec) {
        JsonObject json = new JsonObject();
        json.addProperty("hidden_size", spec.hiddenSize());
        json.addProperty("moe_intermediate_size", spec.intermediateSize());
        json.addProperty("num_experts", spec.numExperts());
        json.addProperty("num_experts_per_tok", spec.topK());
        json.addProperty("hidden_act", SpecJson.name(SpecJson.ACTIVATIONS, spec.activation()));
        json.addProperty("gated", spec.gated());
        json.add("router", router(spec.router()));
        spec.latent().ifPresent(latent -> json.add("latent", write(latent)));
        spec.sharedExpert().ifPresent(shared -> {
            JsonObject object = new JsonObject();
            object.addProperty("intermediate_size", shared.intermediateSize());
            object.addProperty("sigmoid_gated", shared.sigmoidGated());
            json.add("shared_expert", object);
        });
        return json;
    }

    static MoeSpec read(JsonFields json) {
        return json.build(() -> new MoeSpec(
                json.integer("hidden_size"),
                json.integer("moe_intermediate_size"),
                json.integer("num_experts"),
                json.integer("num_experts_per_tok"),
                json.constant("hidden_act", SpecJson.ACTIVATIONS),
                json.bool("gated"),
                router(json.object("router")),
                json.optionalObject("latent").map(MoeJson::readLatent),
                json.optionalObject("shared_expert")
                        .map(shared -> shared.build(() -> new SharedExpertSpec(
                                shared.integer("intermediate_size"), shared.bool("sigmoid_gated"))))));
    }

    private static JsonObject router(RouterSpec router) {
        JsonObject json = new JsonObject();
        json.addProperty("scoring_func", SpecJson.name(SCORES, router.scoreFunction()));
        json.addProperty("norm_topk_prob", router.normTopkProb());
        json.addProperty("routed_scaling_factor", router.routedScalingFactor());
        json.addProperty("correction_bias", router.correctionBias());
        json.addProperty("n_group", router.nGroup());
        json.addProperty("topk_group", router.topkGroup());
        json.addProperty("group_score", SpecJson.name(GROUP_SCORES, router.groupScore()));
        if (router.hasCapacity()) {
            json.addProperty("capacity_factor", router.capacityFactor());
        } else {
            json.addProperty("capacity_factor", DROPLESS);
        }
        json.addProperty("router_aux_loss_coef", router.auxLossCoef());
        json.addProperty("router_aux_loss_scope", SpecJson.name(SCOPES, router.auxLossScope()));
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

    static JsonObject write(LatentSpec latent) {
        JsonObject sizes = new JsonObject();
        latent.latentSizes().forEach((operator, size) -> sizes.addProperty(SpecJson.name(OPERATORS, operator), size));
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

    static LatentSpec readLatent(JsonFields json) {
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
}
