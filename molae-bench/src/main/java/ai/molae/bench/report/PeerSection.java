package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Result;
import ai.molae.djl.chart.RowChart;
import ai.molae.djl.chart.RowChart.Series;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Other implementations of the same layer in the same run. */
final class PeerSection {

    private static final String ID = "peers";
    private static final String TITLE = "Peers";

    /** More charts than these are only in the table. */
    private static final int CHARTS = 12;

    private PeerSection() {}

    static Section of(ReportData data) {
        Map<Map<String, String>, List<Result>> cases = new LinkedHashMap<>();
        data.select(result -> !result.param("implementation").isEmpty())
                .forEach(result -> cases.computeIfAbsent(Pair.key(result, "implementation"), key -> new ArrayList<>())
                        .add(result));
        cases.values().removeIf(results -> results.size() < 2);
        if (cases.isEmpty()) {
            return Section.without(ID, TITLE, "one layer by several implementations");
        }
        List<String> figures = new ArrayList<>();
        Table table = new Table(
                2, "layer", "implementation", "ms", "spread", "time ÷ molae's", "error", "memory retained", "peak");
        for (List<Result> results : cases.values()) {
            Result first = results.get(0);
            String layer = first.name() + ", " + Names.values(first, "shape", "variant", "precision", "tokens", "load");
            RowChart chart = new RowChart(
                    Names.values(first, "shape", "variant"),
                    "ms, " + first.name() + ", " + Names.values(first, "precision", "tokens"),
                    List.of(new Series("time", 0)));
            Optional<Result> molae = results.stream()
                    .filter(result -> result.param("implementation").equals("MOLAE"))
                    .findFirst();
            for (Result result : results) {
                String implementation = result.param("implementation");
                chart.addColoured(
                        Names.implementation(implementation),
                        Names.implementationColour(implementation),
                        result.milliseconds());
                table.add(
                        layer,
                        Names.implementation(implementation),
                        data.disturbed().milliseconds(result),
                        Numbers.spread(result.quartiles()),
                        Numbers.ratio(molae.map(own -> result.milliseconds() / own.milliseconds())
                                .orElse(Double.NaN)),
                        Numbers.number(result.metric(Metric.ERROR)),
                        Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                        Numbers.bytes(result.metric(Metric.PEAK_BYTES)));
            }
            if (figures.size() < CHARTS && !chart.isEmpty()) {
                figures.add(chart.figure());
            }
        }
        return new Section(
                ID,
                TITLE,
                List.of(
                        new Block.Paragraph(
                                "The same weights and inputs in other implementations, each in a process of its own. Before it is measured, the output of"
                                        + " each is compared with the reference's for some tokens of an input, not for all; the error is the largest"
                                        + " difference found there, as a share of the reference's largest value."
                                        + (cases.size() > CHARTS
                                                ? " Charts show the first " + CHARTS + " of " + cases.size() + " cases."
                                                : "")),
                        new Block.Charts(figures),
                        table));
    }
}
