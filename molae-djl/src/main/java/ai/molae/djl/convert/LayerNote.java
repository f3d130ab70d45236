package ai.molae.djl.convert;

import ai.molae.djl.json.SpecJson;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** What a draft remembers of a layer, as JSON: for the report of whoever finishes the conversion. */
final class LayerNote {

    private LayerNote() {}

    static String write(LayerConversion layer) {
        JsonObject json = new JsonObject();
        layer.after().latent().ifPresent(latent -> json.add("latent", SpecJson.toTree(latent)));
        JsonObject errors = new JsonObject();
        layer.errors().forEach((operator, error) -> {
            JsonObject one = new JsonObject();
            one.addProperty("relative", error.relativeError());
            error.weightedError().ifPresent(weighted -> one.addProperty("weighted", weighted));
            errors.add(operator.name(), one);
        });
        json.add("errors", errors);
        layer.outputError().ifPresent(error -> json.addProperty("output_error", error));
        json.addProperty("seconds", layer.seconds());
        return json + "\n";
    }

    static LayerConversion read(int layer, MoeSpec before, String note) {
        JsonObject json = JsonParser.parseString(note).getAsJsonObject();
        Optional<LatentSpec> latent =
                Optional.ofNullable(json.getAsJsonObject("latent")).map(tree -> SpecJson.latent("latent.", tree));
        Map<ExpertOperator, OperatorError> errors = new EnumMap<>(ExpertOperator.class);
        json.getAsJsonObject("errors").asMap().forEach((name, tree) -> {
            ExpertOperator operator = ExpertOperator.valueOf(name);
            JsonObject one = tree.getAsJsonObject();
            errors.put(
                    operator,
                    new OperatorError(
                            latent.orElseThrow().latentSize(operator),
                            one.get("relative").getAsDouble(),
                            number(one, "weighted")));
        });
        return new LayerConversion(
                layer,
                before,
                latent.map(before::withLatent).orElse(before),
                errors,
                number(json, "output_error"),
                json.get("seconds").getAsDouble());
    }

    private static OptionalDouble number(JsonObject json, String key) {
        return json.has(key) ? OptionalDouble.of(json.get(key).getAsDouble()) : OptionalDouble.empty();
    }
}
