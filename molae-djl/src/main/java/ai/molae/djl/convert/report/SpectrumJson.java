package ai.molae.djl.convert.report;

import ai.molae.djl.convert.OperatorSpectrum;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.json.SpecJson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Locale;

/** A spectrum report for programs. */
final class SpectrumJson {

    private SpectrumJson() {}

    static JsonObject of(SpectrumReport report) {
        List<LayerSpectrum> spectra = LayerSpectrum.of(report);
        JsonObject json = new JsonObject();
        json.addProperty("source", report.source());
        json.addProperty("weighting", report.weighting().name().toLowerCase(Locale.ROOT));
        JsonArray warnings = new JsonArray();
        SpectrumWarnings.of(report, spectra).forEach(warnings::add);
        json.add("warnings", warnings);
        JsonArray predictions = new JsonArray();
        Predictions.of(report, spectra).forEach(row -> predictions.add(prediction(row)));
        json.add("predictions", predictions);
        JsonArray operators = new JsonArray();
        spectra.forEach(spectrum -> operators.add(operator(spectrum)));
        json.add("operators", operators);
        json.add("model", SpecJson.toTree(report.model()));
        report.planned().ifPresent(plan -> json.add("planned", SpecJson.toTree(plan)));
        return json;
    }

    private static JsonObject prediction(Predictions.Row row) {
        JsonObject json = new JsonObject();
        JsonArray layers = new JsonArray();
        row.layers().forEach(layers::add);
        json.add("layers", layers);
        json.addProperty("latent_size", row.latentSize());
        json.add("parameter_ratio", Texts.json(row.cost().parameterRatio()));
        json.add("flop_ratio", Texts.json(row.cost().flopRatio()));
        json.add("distinct_groups", Texts.json(row.cost().distinctGroups()));
        return json;
    }

    private static JsonObject operator(LayerSpectrum spectrum) {
        int m = spectrum.rows();
        int n = spectrum.columns();
        JsonObject json = new JsonObject();
        json.addProperty("layer", spectrum.layer());
        json.addProperty("operator", Texts.name(spectrum.operator()));
        json.addProperty("rows", m);
        json.addProperty("columns", n);
        json.addProperty("break_even_rank", spectrum.breakEvenRank());
        json.add("break_even_group_size", Texts.json(BreakEven.groupSize(m, n, m)));
        json.addProperty("rank_90", spectrum.rankFor(0.9));
        json.addProperty("rank_99", spectrum.rankFor(0.99));
        JsonArray kept = new JsonArray();
        Candidates.of(spectrum).forEach((name, r) -> {
            JsonObject at = new JsonObject();
            at.addProperty("name", name);
            at.addProperty("rank", r);
            at.add("kept", Texts.json(spectrum.kept(r)));
            at.add("random_floor", Texts.json(spectrum.randomFloor(r)));
            kept.add(at);
        });
        json.add("kept", kept);
        JsonArray ranks = new JsonArray();
        JsonArray curve = new JsonArray();
        JsonArray floor = new JsonArray();
        for (int r : spectrum.ranks()) {
            ranks.add(r);
            curve.add(rounded(spectrum.kept(r)));
            floor.add(rounded(spectrum.randomFloor(r)));
        }
        json.add("curve_ranks", ranks);
        json.add("curve_kept", curve);
        json.add("curve_random_floor", floor);
        JsonArray groups = new JsonArray();
        spectrum.groups().forEach(group -> groups.add(group(group, spectrum)));
        json.add("groups", groups);
        return json;
    }

    private static JsonObject group(OperatorSpectrum group, LayerSpectrum of) {
        JsonObject json = new JsonObject();
        json.addProperty("group", group.group());
        json.addProperty("experts", group.experts());
        JsonObject kept = new JsonObject();
        Candidates.of(of).forEach((name, r) -> kept.add(name, Texts.json(group.kept(r))));
        json.add("kept", kept);
        return json;
    }

    private static JsonElement rounded(double share) {
        return Texts.json(Math.rint(share * 1e6) / 1e6);
    }
}
