package ai.molae.cli.plan;

import ai.molae.spec.MoeSpec;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.Locale;

/** A plan for programs; what does not exist is null. */
final class JsonWriter {

    private static final Gson GSON = new GsonBuilder()
            .setPrettyPrinting()
            .serializeNulls()
            .disableHtmlEscaping()
            .create();

    private JsonWriter() {}

    static String write(Plan plan) {
        JsonObject json = new JsonObject();
        json.add("settings", settings(plan.settings()));
        JsonArray subjects = new JsonArray();
        plan.comparisons().forEach(comparison -> subjects.add(subject(comparison)));
        json.add("subjects", subjects);
        JsonArray rows = new JsonArray();
        plan.rows().forEach(row -> rows.add(row(row)));
        json.add("rows", rows);
        JsonArray notes = new JsonArray();
        plan.notes().forEach(notes::add);
        json.add("notes", notes);
        return GSON.toJson(json) + "\n";
    }

    private static JsonObject settings(Settings settings) {
        JsonObject json = new JsonObject();
        json.addProperty("precision", settings.precision().toString());
        json.addProperty("tokens", settings.tokens());
        json.addProperty("context", settings.context());
        json.addProperty("batch", settings.batch());
        settings.machine().ifPresent(machine -> {
            json.addProperty("peakFlopsPerSecond", machine.peakFlopsPerSecond());
            json.addProperty("bytesPerSecond", machine.bytesPerSecond());
        });
        settings.trainTokens().ifPresent(tokens -> json.addProperty("trainTokens", tokens));
        return json;
    }

    private static JsonObject subject(Comparison comparison) {
        MoeSpec moe = comparison.moe().spec();
        Side molae = comparison.molae();
        JsonObject json = new JsonObject();
        json.addProperty("name", comparison.name());
        json.addProperty("moeLayers", comparison.moe().layers());
        json.addProperty("hiddenSize", moe.hiddenSize());
        json.addProperty("intermediateSize", moe.intermediateSize());
        json.addProperty("numExperts", moe.numExperts());
        json.addProperty("topK", moe.topK());
        json.addProperty("gated", moe.gated());
        moe.sharedExpert().ifPresent(shared -> json.addProperty("sharedIntermediateSize", shared.intermediateSize()));
        JsonObject latentSizes = new JsonObject();
        molae.latent()
                .latentSizes()
                .forEach(
                        (operator, r) -> latentSizes.addProperty(operator.name().toLowerCase(Locale.ROOT), r));
        json.add("latentSizes", latentSizes);
        json.addProperty("tiedGateUp", molae.latent().tiedGateUp());
        json.addProperty("groupSize", molae.latent().groupSize());
        json.addProperty("numGroups", molae.spec().expertGroups().numGroups());
        return json;
    }

    private static JsonObject row(Row row) {
        JsonObject json = new JsonObject();
        json.addProperty("subject", row.subject());
        json.addProperty("section", row.section());
        json.addProperty("name", row.name().strip());
        json.addProperty("unit", row.unit().label());
        row.moe().ifPresentOrElse(moe -> json.addProperty("moe", moe), () -> json.add("moe", JsonNull.INSTANCE));
        json.addProperty("molae", row.molae());
        row.ratio()
                .ifPresentOrElse(ratio -> json.addProperty("ratio", ratio), () -> json.add("ratio", JsonNull.INSTANCE));
        return json;
    }
}
