package ai.molae.djl.convert;

import ai.molae.djl.files.Shown;
import ai.molae.djl.json.JsonFields;
import ai.molae.djl.json.SpecJson;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonObject;
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

    /**
     * Reads a note.
     *
     * @throws IllegalArgumentException if it is not what {@link #write} makes
     */
    static LayerConversion read(int layer, MoeSpec before, String note) {
        try {
            return read(layer, before, JsonFields.parse(note));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "the note of the converted layer " + layer + " is damaged: " + Shown.message(e.getMessage())
                            + "; remove the layer's folder to convert it again",
                    e);
        }
    }

    private static LayerConversion read(int layer, MoeSpec before, JsonFields json) {
        return json.build(() -> {
            Optional<LatentSpec> latent =
                    json.has("latent") ? Optional.of(json.tree("latent", SpecJson::latent)) : Optional.empty();
            Map<ExpertOperator, OperatorError> errors = new EnumMap<>(ExpertOperator.class);
            JsonFields all = json.object("errors");
            all.build(() -> {
                for (ExpertOperator operator : ExpertOperator.values()) {
                    if (all.has(operator.name())) {
                        errors.put(operator, error(operator, latent, all.object(operator.name())));
                    }
                }
                return errors;
            });
            return new LayerConversion(
                    layer,
                    before,
                    latent.map(before::withLatent).orElse(before),
                    errors,
                    optional(json, "output_error"),
                    json.number("seconds"));
        });
    }

    private static OperatorError error(ExpertOperator operator, Optional<LatentSpec> latent, JsonFields json) {
        return json.build(() -> new OperatorError(
                latent.orElseThrow(() -> new IllegalArgumentException(operator + " has an error but no latent size"))
                        .latentSize(operator),
                json.number("relative"),
                optional(json, "weighted")));
    }

    private static OptionalDouble optional(JsonFields json, String key) {
        return json.has(key) ? OptionalDouble.of(json.number(key)) : OptionalDouble.empty();
    }
}
