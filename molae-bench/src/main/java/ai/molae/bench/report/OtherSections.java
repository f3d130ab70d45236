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
import java.util.Optional;
import java.util.function.Predicate;

/** What stands beside the layers: routing alone, whole models, conversion and loading. */
final class OtherSections {

    private OtherSections() {}

    /** Routing and dispatch alone, and their share of the whole layer's time. */
    static Section dispatch(ReportData data) {
        String id = "dispatch";
        String title = "Routing and dispatch";
        List<Result> parts = data.select(result -> result.benchmarkClass().equals("RoutingDispatch"));
        if (parts.isEmpty()) {
            return Section.without(id, title, "RoutingDispatch");
        }
        List<Result> layers = data.select(result -> result.benchmarkClass().equals("LayerForward"));
        Disturbed disturbed = data.disturbed();
        Table table =
                new Table(2, "part", "layer", "ms", "spread", "per token, µs", "whole layer, ms", "share of the layer");
        Map<String, RowChart> charts = new LinkedHashMap<>();
        for (Result part : parts) {
            String layer = Names.values(part, "shape", "variant", "precision", "load", "tokens");
            Optional<Result> whole = layer(layers, part);
            double milliseconds = whole.map(Result::milliseconds).orElse(Double.NaN);
            double tokens = ReportData.size(part.param("tokens"));
            charts.computeIfAbsent(part.name(), name -> new RowChart(name, "ms", List.of(new Series("time", 2))))
                    .add(layer, part.milliseconds());
            table.add(
                    part.name(),
                    layer,
                    disturbed.milliseconds(part),
                    Numbers.spread(part.quartiles()),
                    Numbers.number(tokens > 0 ? 1e3 * part.milliseconds() / tokens : Double.NaN),
                    whole.map(disturbed::milliseconds).orElse(Table.UNKNOWN),
                    Numbers.percent(part.milliseconds() / milliseconds));
        }
        return new Section(
                id,
                title,
                List.of(
                        new Block.Paragraph(
                                "route scores the experts and chooses. dispatch is a whole layer whose experts are one number wide: it routes, gathers"
                                        + " rows and adds them up, and still multiplies by those narrow experts. The share is of the time of the layer with"
                                        + " all of its width in the same shape, variant, precision, load and number of tokens."),
                        charts(charts),
                        table));
    }

    /** The layer that a part is of. */
    private static Optional<Result> layer(List<Result> layers, Result part) {
        return layers.stream()
                .filter(layer ->
                        List.of("shape", "variant", "precision", "tokens", "load", "scale", "implementation").stream()
                                .allMatch(name -> layer.param(name).equals(part.param(name))))
                .findFirst();
    }

    /** Whole models. */
    static Section models(ReportData data) {
        String id = "models";
        String title = "Whole models";
        List<Result> results = data.select(result -> result.benchmarkClass().startsWith("Model"));
        if (results.isEmpty()) {
            return Section.without(id, title, "ModelPrefill, ModelDecode and ModelTraining");
        }
        Table table = new Table(
                2,
                "benchmark",
                "model",
                "ms",
                "spread",
                "tokens/s",
                "parameters",
                "weights, model",
                "memory retained",
                "peak",
                "GFLOP/s");
        for (Result result : results) {
            table.add(
                    result.name(),
                    Names.params(result),
                    data.disturbed().milliseconds(result),
                    Numbers.spread(result.quartiles()),
                    Numbers.number(Derived.TOKENS_PER_SECOND.of(result)),
                    Numbers.number(result.metric(Metric.PARAMETERS)),
                    Numbers.bytes(result.metric(Metric.WEIGHT_BYTES)),
                    Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                    Numbers.bytes(result.metric(Metric.PEAK_BYTES)),
                    Numbers.number(Derived.GFLOPS.of(result)));
        }
        return new Section(
                id,
                title,
                List.of(
                        new Block.Paragraph(
                                "Language models of these layers, with attention and everything else; random weights. "
                                        + UsageSection.TRAINING),
                        charts(byVariant(results)),
                        table));
    }

    private static Map<String, RowChart> byVariant(List<Result> results) {
        Map<String, RowChart> charts = new LinkedHashMap<>();
        for (Result result : results) {
            String variant = result.param("variant");
            String name = Names.values(result, "shape", "variant", "precision", "tokens");
            charts.computeIfAbsent(
                            result.benchmarkClass(), key -> new RowChart(key, "ms", List.of(new Series("time", 0))))
                    .addColoured(
                            name.isEmpty() ? result.name() : name, Names.variantColour(variant), result.milliseconds());
        }
        return charts;
    }

    /** Conversion of a layer, and loading of a checkpoint. */
    static Section conversion(ReportData data) {
        String id = "conversion";
        String title = "Conversion and loading";
        Predicate<Result> which = result -> result.benchmarkClass().equals("LayerConversion")
                || result.benchmarkClass().equals("CheckpointLoad");
        List<Result> results = data.select(which);
        if (results.isEmpty()) {
            return Section.without(id, title, "LayerConversion and CheckpointLoad");
        }
        Table table = new Table(2, "benchmark", "of", "ms", "spread", "memory retained", "peak", "error");
        Map<String, RowChart> charts = new LinkedHashMap<>();
        for (Result result : results) {
            String of = Names.params(result);
            charts.computeIfAbsent(
                            result.benchmarkClass(), key -> new RowChart(key, "ms", List.of(new Series("time", 2))))
                    .add(values(result), result.milliseconds());
            table.add(
                    result.name(),
                    of,
                    data.disturbed().milliseconds(result),
                    Numbers.spread(result.quartiles()),
                    Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                    Numbers.bytes(result.metric(Metric.PEAK_BYTES)),
                    Numbers.number(result.metric(Metric.ERROR)));
        }
        return new Section(
                id,
                title,
                List.of(
                        new Block.Paragraph(
                                "What happens once: turning a standard layer into a latent one, and reading a checkpoint."),
                        charts(charts),
                        table));
    }

    /** The values of all parameters; they are few here, and their names are in the table. */
    private static String values(Result result) {
        List<String> values = new ArrayList<>();
        result.params().values().forEach(value -> values.add(Names.of(value)));
        return values.isEmpty() ? result.name() : String.join(", ", values);
    }

    private static Block charts(Map<String, RowChart> charts) {
        return new Block.Charts(charts.values().stream()
                .filter(chart -> !chart.isEmpty())
                .map(RowChart::figure)
                .toList());
    }
}
