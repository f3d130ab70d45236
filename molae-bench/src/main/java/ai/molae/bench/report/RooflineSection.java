package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Quartiles;
import ai.molae.bench.results.Result;
import ai.molae.cost.Roofline;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.ScatterChart;
import ai.molae.djl.chart.Spot;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.DoubleStream;

/** How close layers come to what the machine can do. */
final class RooflineSection {

    private static final String ID = "roofline";
    private static final String TITLE = "Roofline";

    private RooflineSection() {}

    static Section of(ReportData data) {
        Map<String, List<Result>> byPrecision = new TreeMap<>();
        data.select(result -> Double.isFinite(Derived.GFLOPS.of(result)) && Derived.INTENSITY.of(result) > 0).stream()
                .filter(result -> result.param("implementation").isEmpty()
                        || result.param("implementation").equals("MOLAE"))
                .forEach(result -> byPrecision
                        .computeIfAbsent(result.param("precision"), precision -> new ArrayList<>())
                        .add(result));
        List<String> figures = new ArrayList<>();
        Table table = new Table(
                1,
                "precision",
                "products, GFLOP/s",
                "reading, GB/s",
                "ridge, FLOPs/B",
                "results",
                "median share of roofline",
                "greatest share");
        byPrecision.forEach((precision, results) -> roof(results).ifPresent(roof -> {
            figures.add(chart(precision, results, roof));
            double[] shares = results.stream()
                    .mapToDouble(Derived.ROOFLINE_SHARE::of)
                    .filter(Double::isFinite)
                    .toArray();
            table.add(
                    Names.of(precision),
                    Numbers.number(roof.peakFlopsPerSecond() / 1e9),
                    Numbers.number(roof.bytesPerSecond() / 1e9),
                    Numbers.number(roof.ridge()),
                    String.valueOf(results.size()),
                    Numbers.percent(Quartiles.median(shares)),
                    Numbers.percent(DoubleStream.of(shares).max().orElse(Double.NaN)));
        }));
        return table.isEmpty()
                ? Section.without(ID, TITLE, "layers with FLOPs, bytes and ceilings")
                : new Section(
                        ID,
                        TITLE,
                        List.of(
                                new Block.Paragraph(
                                        "One mark for each result of molae: FLOPs per byte of weights read across, speed upwards. Circles are prefill,"
                                                + " squares decoding, triangles training. The roof is what large products and reading memory reach in the same"
                                                + " processes (medians); bytes of activations are not counted, so a mark can be lower than its roof for that"
                                                + " reason too. A mark above the roof read weights out of a cache, or the machine's speed changed."
                                                + " Implementations with a library of their own are left out: their threads disturb the ceilings measured in their process."),
                                new Block.Charts(figures),
                                table));
    }

    private static Optional<Roofline> roof(List<Result> results) {
        double peak = median(results, Metric.PEAK_FLOPS);
        double bandwidth = median(results, Metric.BANDWIDTH);
        return peak > 0 && bandwidth > 0 ? Optional.of(new Roofline(peak, bandwidth)) : Optional.empty();
    }

    private static double median(Collection<Result> results, Metric metric) {
        return Quartiles.median(results.stream()
                .mapToDouble(result -> result.metric(metric))
                .filter(Double::isFinite)
                .toArray());
    }

    private static String chart(String precision, List<Result> results, Roofline roof) {
        double least = results.stream().mapToDouble(Derived.INTENSITY::of).min().orElse(1);
        double most = results.stream().mapToDouble(Derived.INTENSITY::of).max().orElse(1);
        double from = Math.min(least, roof.ridge() / 4);
        double to = Math.max(most, roof.ridge() * 4);
        ScatterChart chart = new ScatterChart(
                precision.isEmpty() ? TITLE : Names.of(precision), "GFLOP/s", "FLOPs per byte of weights", true, true);
        chart.curve(
                "roof",
                List.of(
                        new Spot(from, from * roof.bytesPerSecond() / 1e9),
                        new Spot(roof.ridge(), roof.peakFlopsPerSecond() / 1e9),
                        new Spot(to, roof.peakFlopsPerSecond() / 1e9)),
                Style.LINE,
                7);
        Set<String> named = new HashSet<>();
        for (Phase phase : Phase.values()) {
            Map<String, List<Spot>> spots = new LinkedHashMap<>();
            results.stream()
                    .filter(result -> phase.has(result) || (phase == Phase.PREFILL && isOther(result)))
                    .forEach(result -> spots.computeIfAbsent(result.param("variant"), variant -> new ArrayList<>())
                            .add(new Spot(
                                    Derived.INTENSITY.of(result),
                                    Derived.GFLOPS.of(result),
                                    result.name() + " "
                                            + Names.params(result, "implementation", "precision", "scale"))));
            spots.forEach((variant, places) -> chart.marks(
                    named.add(variant) ? Names.of(variant) : "", places, phase.form(), Names.variantColour(variant)));
        }
        return chart.figure();
    }

    private static boolean isOther(Result result) {
        for (Phase phase : Phase.values()) {
            if (phase.has(result)) {
                return false;
            }
        }
        return true;
    }
}
