package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Result;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.ScatterChart;
import ai.molae.djl.chart.ScatterChart.Form;
import ai.molae.djl.chart.Spot;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** How the speed-up over the standard layer depends on the number of tokens. */
final class TokensSection {

    private static final String ID = "tokens";
    private static final String TITLE = "Speed-up against tokens";

    private TokensSection() {}

    static Section of(ReportData data) {
        List<Result> forward = data.select(result -> result.benchmarkClass().equals("LayerForward"));
        Set<String> variants = new LinkedHashSet<>();
        forward.forEach(result -> variants.add(result.param("variant")));
        variants.remove("MOE");
        Map<Map<String, String>, Map<String, List<Pair>>> charts = new LinkedHashMap<>();
        for (String variant : variants) {
            for (Pair pair : Pair.of(forward, "variant", "MOE", variant)) {
                charts.computeIfAbsent(Pair.key(pair.base(), "variant", "tokens"), key -> new LinkedHashMap<>())
                        .computeIfAbsent(variant, key -> new ArrayList<>())
                        .add(pair);
            }
        }
        List<String> figures = new ArrayList<>();
        Table table = new Table(2, "layer", "variant", "tokens", "MoE, ms", "variant, ms", "time ratio", "FLOP ratio");
        charts.values().forEach(lines -> {
            lines.values().removeIf(pairs -> pairs.size() < 3);
            if (!lines.isEmpty()) {
                figures.add(chart(lines));
                lines.forEach((variant, pairs) -> rows(table, variant, sorted(pairs), data.disturbed()));
            }
        });
        return table.isEmpty()
                ? Section.without(ID, TITLE, "a layer as MOE and another variant with three numbers of tokens")
                : new Section(
                        ID,
                        TITLE,
                        List.of(
                                new Block.Paragraph(
                                        "Time of the standard layer by that of a variant; above 1 the variant is faster. The dotted line of the same"
                                                + " colour is the ratio of their FLOPs. With few tokens reading the weights decides, with many the FLOPs."),
                                new Block.Charts(figures),
                                table));
    }

    private static List<Pair> sorted(List<Pair> pairs) {
        return pairs.stream()
                .sorted(Comparator.comparingDouble(TokensSection::tokens))
                .toList();
    }

    private static double tokens(Pair pair) {
        return ReportData.size(pair.base().param("tokens"));
    }

    private static String chart(Map<String, List<Pair>> lines) {
        Result any = lines.values().iterator().next().get(0).base();
        ScatterChart chart = new ScatterChart(
                        Names.values(any, "shape"),
                        "MoE ÷ variant, time, " + Names.values(any, "precision", "load", "implementation"),
                        "tokens",
                        true,
                        false)
                .even(1);
        Map<String, List<Pair>> ordered = new TreeMap<>(lines);
        ordered.forEach((variant, pairs) -> {
            int colour = Names.variantColour(variant);
            List<Spot> times = sorted(pairs).stream()
                    .map(pair -> new Spot(tokens(pair), pair.time(), Names.of(variant)))
                    .toList();
            chart.curve(
                    "",
                    sorted(pairs).stream()
                            .map(pair -> new Spot(tokens(pair), pair.ratio(result -> result.metric(Metric.FLOPS))))
                            .toList(),
                    Style.BOUND,
                    colour);
            chart.curve("", times, Style.LINE, colour);
            chart.marks(Names.of(variant), times, Form.CIRCLE, colour);
        });
        return chart.figure();
    }

    private static void rows(Table table, String variant, List<Pair> pairs, Disturbed disturbed) {
        for (Pair pair : pairs) {
            table.add(
                    Names.values(pair.base(), "shape", "precision", "load", "implementation"),
                    Names.of(variant),
                    pair.base().param("tokens"),
                    disturbed.milliseconds(pair.base()),
                    disturbed.milliseconds(pair.other()),
                    Numbers.ratio(pair.time()),
                    Numbers.ratio(pair.ratio(result -> result.metric(Metric.FLOPS))));
        }
    }
}
