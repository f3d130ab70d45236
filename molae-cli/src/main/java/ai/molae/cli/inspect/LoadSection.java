package ai.molae.cli.inspect;

import ai.molae.cli.eval.Evaluation;
import ai.molae.cli.eval.LayerUse;
import ai.molae.cli.table.HtmlTables;
import ai.molae.djl.chart.HtmlTable;
import ai.molae.djl.chart.LineChart;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.LoadMap;
import ai.molae.djl.chart.Point;
import ai.molae.route.LoadStatistics;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** What a text did with the experts, as a part of the page. */
final class LoadSection {

    private final List<LayerUse> layers;
    private final Evaluation evaluation;

    LoadSection(Evaluation evaluation) {
        this.evaluation = evaluation;
        layers = evaluation.layers();
    }

    String html() {
        StringBuilder html = new StringBuilder(HtmlTables.of(evaluation.prediction()));
        if (layers.isEmpty()) {
            return html.append("<p>No layer has experts, so there is no load to tell.</p>\n")
                    .toString();
        }
        html.append(
                        "<p>Every row is a layer, every column an expert. A cell without colour has its even share of the tokens.</p>\n")
                .append(LoadMap.scale())
                .append(LoadMap.rows(
                        "Load of the experts",
                        String.format(
                                Locale.ROOT,
                                "layers by experts, %,d tokens",
                                evaluation.result().tokens()),
                        "load of the experts of all layers; the numbers are in the table below",
                        layers.stream()
                                .map(layer -> new LoadMap.Row(
                                        "layer " + layer.layer(), layer.load().tokensPerExpert()))
                                .toList()))
                .append("<details><summary>Tokens per expert</summary>\n")
                .append(counts())
                .append("</details>\n<div class=charts>\n")
                .append(entropy())
                .append(imbalance())
                .append("</div>\n")
                .append(routers())
                .append(HtmlTables.of(evaluation.loads()));
        return html.toString();
    }

    private String counts() {
        int experts = layers.stream()
                .mapToInt(layer -> layer.load().tokensPerExpert().length)
                .max()
                .orElse(0);
        List<String> head = new ArrayList<>(List.of("layer"));
        for (int i = 0; i < experts; i++) {
            head.add("" + i);
        }
        HtmlTable table = new HtmlTable(1, head);
        for (LayerUse layer : layers) {
            List<String> row = new ArrayList<>(List.of("" + layer.layer()));
            Arrays.stream(layer.load().tokensPerExpert())
                    .mapToObj(count -> String.format(Locale.ROOT, "%,d", count))
                    .forEach(row::add);
            while (row.size() < head.size()) {
                row.add("");
            }
            table.row(row);
        }
        return table.html();
    }

    private String entropy() {
        return new LineChart("Entropy", "of the greatest possible", "layer", false)
                .add("router, of a token", points(LayerUse::normalisedRouterEntropy), Style.DOTS, 0)
                .add("load, of all tokens", points(layer -> layer.load().normalisedEntropy()), Style.DOTS, 1)
                .figure();
    }

    private String imbalance() {
        return new LineChart("Busiest expert", "its load over the mean", "layer", false)
                .add("max/mean", points(layer -> layer.load().imbalance()), Style.DOTS, 0)
                .add("even", points(layer -> 1), Style.BOUND, 1)
                .figure();
    }

    private List<Point> points(ToDoubleFunction<LayerUse> value) {
        return layers.stream()
                .map(layer -> new Point(layer.layer(), value.applyAsDouble(layer)))
                .filter(point -> Double.isFinite(point.y()))
                .toList();
    }

    /** What the table of the loads has not. */
    private String routers() {
        HtmlTable table = new HtmlTable(
                1,
                List.of(
                        "layer",
                        "router entropy, nats",
                        "router entropy, normalised",
                        "load entropy, normalised",
                        "max/mean load",
                        "unused experts"));
        for (LayerUse layer : layers) {
            LoadStatistics load = layer.load();
            table.row(List.of(
                    "" + layer.layer(),
                    fixed(layer.routerEntropy()),
                    fixed(layer.normalisedRouterEntropy()),
                    fixed(load.normalisedEntropy()),
                    String.format(Locale.ROOT, "%.3f", load.imbalance()),
                    load.idleExperts() + " of " + load.tokensPerExpert().length));
        }
        return table.html();
    }

    private static String fixed(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }
}
