package ai.molae.djl.convert.report;

import ai.molae.cost.CostModel;
import ai.molae.cost.ModelCost;
import ai.molae.cost.ModelPart;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.LayerConversion;
import ai.molae.djl.convert.OperatorError;
import ai.molae.djl.json.JsonFields;
import ai.molae.djl.json.SpecJson;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;

/** A conversion report as JSON and back. */
final class ConversionJson {

    private static final Map<String, ExpertOperator> OPERATORS =
            Map.of("gate", ExpertOperator.GATE, "up", ExpertOperator.UP, "down", ExpertOperator.DOWN);

    private ConversionJson() {}

    static JsonObject write(ConversionReport report) {
        JsonObject json = new JsonObject();
        json.addProperty("source", report.source());
        JsonArray method = new JsonArray();
        report.method().forEach(method::add);
        json.add("method", method);
        JsonArray losses = new JsonArray();
        report.losses().forEach((stage, loss) -> {
            JsonObject entry = new JsonObject();
            entry.addProperty("stage", stage);
            entry.add("loss", Texts.json(loss));
            losses.add(entry);
        });
        json.add("losses", losses);
        json.add("summary", summary(report));
        JsonArray layers = new JsonArray();
        report.layers().forEach(layer -> layers.add(layer(layer)));
        json.add("layers", layers);
        json.add("before", SpecJson.toTree(report.before()));
        json.add("after", SpecJson.toTree(report.after()));
        return json;
    }

    /** What follows from the rest, for programs that do not know the cost model. */
    private static JsonObject summary(ConversionReport report) {
        ModelCost before = CostModel.model(report.before());
        ModelCost after = CostModel.model(report.after());
        JsonObject json = new JsonObject();
        json.addProperty("routed_parameters_before", before.parameters(ModelPart.ROUTED_EXPERTS));
        json.addProperty("routed_parameters_after", after.parameters(ModelPart.ROUTED_EXPERTS));
        json.addProperty("parameters_before", before.parameters());
        json.addProperty("parameters_after", after.parameters());
        json.add("active_parameters_before", Texts.json(before.activeParameters()));
        json.add("active_parameters_after", Texts.json(after.activeParameters()));
        json.add("routed_flops_before", Texts.json(ConversionSheet.routedFlops(before)));
        json.add("routed_flops_after", Texts.json(ConversionSheet.routedFlops(after)));
        json.add("flops_before", Texts.json(before.forwardFlops(1)));
        json.add("flops_after", Texts.json(after.forwardFlops(1)));
        JsonObject perplexity = new JsonObject();
        report.losses().forEach((stage, loss) -> perplexity.add(stage, Texts.json(Math.exp(loss))));
        json.add("perplexity", perplexity);
        return json;
    }

    private static JsonObject layer(LayerConversion layer) {
        JsonObject json = new JsonObject();
        json.addProperty("layer", layer.layer());
        JsonArray errors = new JsonArray();
        layer.errors().forEach((operator, error) -> {
            JsonObject entry = new JsonObject();
            entry.addProperty("operator", Texts.name(operator));
            entry.addProperty("latent_size", error.latentSize());
            entry.add("relative_error", Texts.json(error.relativeError()));
            error.weightedError().ifPresent(weighted -> entry.add("weighted_error", Texts.json(weighted)));
            errors.add(entry);
        });
        json.add("errors", errors);
        layer.outputError().ifPresent(error -> json.add("output_error", Texts.json(error)));
        json.add("seconds", Texts.json(layer.seconds()));
        return json;
    }

    static ConversionReport read(String text) {
        JsonFields json = JsonFields.parse(text);
        return json.build(() -> {
            json.skip("summary");
            ModelSpec before = json.tree("before", SpecJson::model);
            ModelSpec after = json.tree("after", SpecJson::model);
            List<LayerConversion> layers = new ArrayList<>();
            for (JsonFields layer : json.objects("layers")) {
                layers.add(layer.build(() -> layer(layer, before, after)));
            }
            Map<String, Double> losses = new LinkedHashMap<>();
            for (JsonFields loss : json.objects("losses")) {
                loss.build(() -> losses.put(unused(losses.keySet(), loss.string("stage")), loss.numberOrNull("loss")));
            }
            return new ConversionReport(json.string("source"), json.strings("method"), before, after, layers, losses);
        });
    }

    private static LayerConversion layer(JsonFields json, ModelSpec before, ModelSpec after) {
        int layer = json.integer("layer");
        Map<ExpertOperator, OperatorError> errors = new TreeMap<>();
        for (JsonFields error : json.objects("errors")) {
            error.build(() -> errors.put(
                    unused(errors.keySet(), error.constant("operator", OPERATORS)),
                    new OperatorError(
                            error.integer("latent_size"),
                            error.numberOrNull("relative_error"),
                            optional(error, "weighted_error"))));
        }
        return new LayerConversion(
                layer,
                moe(before, layer),
                moe(after, layer),
                errors,
                optional(json, "output_error"),
                json.numberOrNull("seconds"));
    }

    private static <K> K unused(Set<K> known, K key) {
        if (known.contains(key)) {
            throw new IllegalArgumentException(key + " is there already");
        }
        return key;
    }

    private static MoeSpec moe(ModelSpec model, int layer) {
        if (layer >= 0 && layer < model.numLayers() && model.feedForwards().get(layer) instanceof MoeSpec moe) {
            return moe;
        }
        throw new IllegalArgumentException(
                "layer " + layer + " is no MoE layer of the " + model.numLayers() + " layers");
    }

    private static OptionalDouble optional(JsonFields json, String key) {
        return json.has(key) ? OptionalDouble.of(json.numberOrNull(key)) : OptionalDouble.empty();
    }
}
