package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Result;
import ai.molae.djl.chart.RowChart;
import ai.molae.djl.chart.RowChart.Series;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One shape in all variants, and in all precisions. */
final class VariantSections {

    private static final List<String> ORDER = List.of(
            "DENSE",
            "MOE",
            "MOLAE",
            "MOLAE_QUARTER",
            "MOLAE_EIGHT",
            "MOLAE_TIED",
            "MOLAE_QUARTER_TIED",
            "MOLAE_EIGHT_TIED",
            "LATENT_MOE");

    private VariantSections() {}

    /** All variants of the shape with most of them. */
    static Section variants(ReportData data) {
        String id = "variants";
        String shape = data.mainShape();
        List<String> figures = new ArrayList<>();
        Table table = table();
        for (Phase phase : Phase.values()) {
            List<Result> results = ReportData.alike(
                            data.layers(phase).stream()
                                    .filter(result -> result.param("shape").equals(shape))
                                    .toList(),
                            result -> result,
                            "variant",
                            "variant")
                    .stream()
                    .sorted((a, b) -> Integer.compare(rank(a), rank(b)))
                    .toList();
            if (results.size() < 2) {
                continue;
            }
            if (figures.isEmpty()) {
                RowChart memory = new RowChart("Weights in memory, measured", "MiB", List.of(new Series("memory", 0)));
                results.forEach(result -> memory.addColoured(
                        Names.of(result.param("variant")),
                        Names.variantColour(result.param("variant")),
                        Numbers.mebibytes(result.metric(Metric.RETAINED_BYTES))));
                if (!memory.isEmpty()) {
                    figures.add(memory.figure());
                }
            }
            RowChart chart = new RowChart(
                    "Time of " + phase.title(),
                    "ms, " + Names.values(results.get(0), "precision", "tokens"),
                    List.of(new Series("time", 0)));
            results.forEach(result -> {
                chart.addColoured(
                        Names.of(result.param("variant")),
                        Names.variantColour(result.param("variant")),
                        result.milliseconds());
                table.add(row(result, Names.of(result.param("variant")), phase, data.disturbed()));
            });
            figures.add(chart.figure());
        }
        String title = "All variants";
        return table.isEmpty()
                ? Section.without(id, title, "several variants of one shape")
                : new Section(
                        id,
                        title + " of " + Names.of(shape),
                        List.of(
                                new Block.Paragraph(
                                        "k is the number of experts that share a latent space; tied means that gate and up read the same"
                                                + " latent. Dense is one feed-forward of the same FLOPs per token; LatentMoE spends what the latent space"
                                                + " saves on more experts, of which a token visits more."),
                                new Block.Charts(figures),
                                table));
    }

    private static int rank(Result result) {
        int rank = ORDER.indexOf(result.param("variant"));
        return rank < 0 ? ORDER.size() : rank;
    }

    /** Every precision of the standard layer and MoLAE. */
    static Section precisions(ReportData data) {
        String id = "precisions";
        String title = "Precisions";
        String shape = data.mainShape();
        List<String> figures = new ArrayList<>();
        Table table = table();
        for (Phase phase : Phase.values()) {
            List<Pair> pairs = ReportData.alike(
                    Pair.of(
                            data.layers(phase).stream()
                                    .filter(result -> result.param("shape").equals(shape))
                                    .toList(),
                            "variant",
                            "MOE",
                            "MOLAE"),
                    Pair::base,
                    "precision",
                    "variant");
            if (pairs.size() < 2) {
                continue;
            }
            List<Series> series = List.of(
                    new Series("MoE", Names.variantColour("MOE")), new Series("MoLAE", Names.variantColour("MOLAE")));
            RowChart time = new RowChart(
                    "Time of " + phase.title(),
                    "ms, " + Names.values(pairs.get(0).base(), "tokens"),
                    series);
            RowChart memory = new RowChart("Weights in memory, " + phase.title(), "MiB", series);
            for (Pair pair : pairs) {
                String precision = Names.of(pair.base().param("precision"));
                time.add(precision, pair.base().milliseconds(), pair.other().milliseconds());
                memory.add(
                        precision,
                        Numbers.mebibytes(pair.base().metric(Metric.RETAINED_BYTES)),
                        Numbers.mebibytes(pair.other().metric(Metric.RETAINED_BYTES)));
                table.add(row(pair.base(), precision + " MoE", phase, data.disturbed()));
                table.add(row(pair.other(), precision + " MoLAE", phase, data.disturbed()));
            }
            figures.add(time.figure());
            if (phase == Phase.DECODE && !memory.isEmpty()) {
                figures.add(memory.figure());
            }
        }
        return table.isEmpty()
                ? Section.without(id, title, "one shape as MOE and MOLAE in several precisions")
                : new Section(
                        id,
                        title + " of " + Names.of(shape),
                        List.of(
                                new Block.Paragraph(
                                        "The formats in which weights are stored. The error is the largest difference to the reference in"
                                                + " float64, as a share of its largest value."),
                                new Block.Charts(figures),
                                table));
    }

    /** Balanced routing beside Zipf's. */
    static Section skew(ReportData data) {
        String id = "skew";
        String title = "Routing skew";
        List<Pair> pairs =
                Pair.of(data.select(result -> result.benchmarkClass().startsWith("Layer")), "load", "BALANCED", "ZIPF");
        if (pairs.isEmpty()) {
            return Section.without(id, title, "a layer with load BALANCED and ZIPF");
        }
        List<String> figures = new ArrayList<>();
        Table table = new Table(2, "benchmark", "layer", "balanced, ms", "Zipf, ms", "Zipf ÷ balanced");
        Map<String, RowChart> charts = new LinkedHashMap<>();
        for (Pair pair : pairs) {
            String tokens = Names.values(pair.base(), "tokens");
            String name = pair.base().name() + (tokens.isEmpty() ? "" : ", " + tokens);
            String layer = Names.values(pair.base(), "shape", "variant", "precision");
            charts.computeIfAbsent(
                            name,
                            key -> new RowChart(key, "ms", List.of(new Series("balanced", 0), new Series("Zipf", 5))))
                    .add(layer, pair.base().milliseconds(), pair.other().milliseconds());
            table.add(
                    name,
                    layer,
                    data.disturbed().milliseconds(pair.base()),
                    data.disturbed().milliseconds(pair.other()),
                    Numbers.ratio(1 / pair.time()));
        }
        charts.values().forEach(chart -> figures.add(chart.figure()));
        return new Section(
                id,
                title,
                List.of(
                        new Block.Paragraph(
                                "Balanced: every expert is as likely. Zipf: the i-th most popular expert is 1/i as likely as the first, so"
                                        + " some products are tall and many are flat; with few tokens fewer experts are read."),
                        new Block.Charts(figures),
                        table));
    }

    private static Table table() {
        return new Table(
                2,
                "phase",
                "layer",
                "ms",
                "spread",
                "GFLOP/s",
                "share of roofline",
                "parameters",
                "weights, model",
                "weights, measured",
                "FLOPs per token",
                "error");
    }

    private static List<String> row(Result result, String layer, Phase phase, Disturbed disturbed) {
        return List.of(
                phase.title() + ", " + Names.values(result, "precision", "tokens"),
                layer,
                disturbed.milliseconds(result),
                Numbers.spread(result.quartiles()),
                Numbers.number(Derived.GFLOPS.of(result)),
                Numbers.percent(Derived.ROOFLINE_SHARE.of(result)),
                Numbers.number(result.metric(Metric.PARAMETERS)),
                Numbers.bytes(result.metric(Metric.WEIGHT_BYTES)),
                Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                Numbers.number(Derived.FLOPS_PER_TOKEN.of(result)),
                Numbers.number(result.metric(Metric.ERROR)));
    }
}
