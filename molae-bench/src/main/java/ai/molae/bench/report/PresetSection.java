package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Result;
import ai.molae.djl.chart.RowChart;
import ai.molae.djl.chart.RowChart.Series;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/** MoE against MoLAE for every shape: memory, FLOPs and time. */
final class PresetSection {

    static final String ID = "presets";
    private static final String TITLE = "MoE against MoLAE, by preset";

    /** The measured ratio may differ from the cost model's by this share of it. */
    private static final double AGREES = 0.05;

    private static final String WHY_NOT = "Where it is not, the kernels pad: FBGEMM"
            + " the inner width of int8 weights, oneDNN widths that its blocks do not divide. That weighs more where matrices are as narrow as MoLAE's.";

    private PresetSection() {}

    static Section of(ReportData data) {
        Presets presets = new Presets(data);
        if (presets.shapes().isEmpty()) {
            return Section.without(ID, TITLE, "the same layer as MOE and as MOLAE");
        }
        return new Section(
                ID,
                TITLE,
                List.of(
                        new Block.Paragraph(
                                "Ratios MoE ÷ MoLAE: above the dashed line at 1 MoLAE needs less. Grey is what the cost model says,"
                                        + " blue what was measured. Layers have the shapes of published models, scaled to fit in memory; MoLAE has one group"
                                        + " and a latent size of at most half the hidden size, so nothing here speaks of the quality of a model. † marks what was disturbed: it is named under what failed or is missing."),
                        new Block.Charts(charts(presets, data.disturbed())),
                        absolute(presets),
                        new Block.Paragraph(
                                "Bytes read per token are the cost model's for a call with one token, for every preset alike, whatever was measured."),
                        times(presets, data.disturbed()),
                        new Block.Paragraph(String.format(
                                Locale.ROOT,
                                "Is the measured ratio of memory MoE ÷ MoLAE within %.0f %% of the cost model's?",
                                100 * AGREES)),
                        verdicts(data),
                        new Block.Paragraph(WHY_NOT)));
    }

    private static List<String> charts(Presets presets, Disturbed disturbed) {
        List<String> figures = new ArrayList<>();
        RowChart memory = chart("Memory of the weights", "MoE ÷ MoLAE", "cost model", "measured");
        for (String shape : presets.shapes()) {
            memory.add(
                    Names.of(shape),
                    presets.inferenceRatio(shape, result -> result.metric(Metric.WEIGHT_BYTES)),
                    presets.inferenceRatio(shape, result -> result.metric(Metric.RETAINED_BYTES)));
        }
        addTo(figures, memory);
        for (Phase phase : Phase.values()) {
            boolean reads = phase == Phase.DECODE;
            RowChart time = chart(
                    "Time of " + phase.title(),
                    "MoE ÷ MoLAE" + (presets.conditions(phase).isEmpty() ? "" : ", " + presets.conditions(phase)),
                    reads ? "bytes read" : "FLOPs",
                    "time");
            presets.of(phase)
                    .forEach((shape, pair) -> time.add(
                            Names.of(shape) + (disturbed.is(pair) ? Disturbed.MARK : ""),
                            pair.ratio(result -> result.metric(reads ? Metric.READ_BYTES : Metric.FLOPS)),
                            pair.time()));
            addTo(figures, time);
        }
        return figures;
    }

    private static RowChart chart(String title, String unit, String expected, String measured) {
        return new RowChart(
                        title,
                        unit,
                        List.of(
                                new Series(expected, Names.EXPECTED_COLOUR),
                                new Series(measured, Names.MEASURED_COLOUR)))
                .even(1);
    }

    private static void addTo(List<String> figures, RowChart chart) {
        if (!chart.isEmpty()) {
            figures.add(chart.figure());
        }
    }

    private static Table absolute(Presets presets) {
        Table table = new Table(
                2,
                "preset",
                "layer",
                "parameters",
                "weights, model",
                "weights, measured",
                "measured ÷ model",
                "FLOPs per token",
                "bytes read per token");
        for (String shape : presets.shapes()) {
            presets.inference(shape).stream().findFirst().ifPresent(pair -> {
                table.add(weights(shape, "MoE", pair.base()));
                table.add(weights(shape, "MoLAE", pair.other()));
                table.add(
                        Names.of(shape),
                        "MoE ÷ MoLAE",
                        ratio(pair, result -> result.metric(Metric.PARAMETERS)),
                        ratio(pair, result -> result.metric(Metric.WEIGHT_BYTES)),
                        ratio(pair, result -> result.metric(Metric.RETAINED_BYTES)),
                        Numbers.ratio(pair.ratio(result -> result.metric(Metric.RETAINED_BYTES))
                                / pair.ratio(result -> result.metric(Metric.WEIGHT_BYTES))),
                        ratio(pair, Derived.FLOPS_PER_TOKEN::of),
                        ratio(pair, Costs::readBytesOfOneToken));
            });
        }
        return table;
    }

    private static List<String> weights(String shape, String layer, Result result) {
        return List.of(
                Names.of(shape),
                layer,
                Numbers.number(result.metric(Metric.PARAMETERS)),
                Numbers.bytes(result.metric(Metric.WEIGHT_BYTES)),
                Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                Numbers.ratio(Derived.MEMORY_RATIO.of(result)),
                Numbers.number(Derived.FLOPS_PER_TOKEN.of(result)),
                Numbers.bytes(Costs.readBytesOfOneToken(result)));
    }

    private static Table times(Presets presets, Disturbed disturbed) {
        Table table = new Table(
                2,
                "preset",
                "phase",
                "MoE, ms",
                "spread of MoE",
                "MoLAE, ms",
                "spread of MoLAE",
                "time ratio",
                "FLOP ratio",
                "ratio of bytes read",
                "peak of MoE",
                "peak of MoLAE",
                "peak ratio");
        for (String shape : presets.shapes()) {
            for (Phase phase : Phase.values()) {
                Pair pair = presets.of(phase).get(shape);
                if (pair != null) {
                    table.add(
                            Names.of(shape),
                            phase.title() + ", " + Names.values(pair.base(), "precision", "tokens"),
                            disturbed.milliseconds(pair.base()),
                            Numbers.spread(pair.base().quartiles()),
                            disturbed.milliseconds(pair.other()),
                            Numbers.spread(pair.other().quartiles()),
                            Numbers.ratio(pair.time()),
                            ratio(pair, result -> result.metric(Metric.FLOPS)),
                            ratio(pair, result -> result.metric(Metric.READ_BYTES)),
                            Numbers.bytes(pair.base().metric(Metric.PEAK_BYTES)),
                            Numbers.bytes(pair.other().metric(Metric.PEAK_BYTES)),
                            ratio(pair, result -> result.metric(Metric.PEAK_BYTES)));
                }
            }
        }
        return table;
    }

    /** For every preset and precision, of the pair with fewest tokens. */
    private static Table verdicts(ReportData data) {
        Table table = new Table(
                2,
                "preset",
                "precision",
                "memory ratio, model",
                "memory ratio, measured",
                "difference",
                String.format(Locale.ROOT, "within %.0f %%", 100 * AGREES));
        Map<String, Pair> pairs = new TreeMap<>();
        for (Phase phase : List.of(Phase.DECODE, Phase.PREFILL)) {
            Pair.of(data.layers(phase), "variant", "MOE", "MOLAE").stream()
                    .sorted(Comparator.comparingDouble(
                            pair -> ReportData.size(pair.base().param("tokens"))))
                    .filter(pair -> Double.isFinite(memoryError(pair)))
                    .forEach(pair -> pairs.putIfAbsent(
                            Names.params(pair.base(), "tokens", "batch", "load", "implementation", "variant"), pair));
        }
        new Presets(data).shapes().forEach(shape -> pairs.values().stream()
                .filter(pair -> pair.base().param("shape").equals(shape))
                .forEach(pair -> table.add(
                        Names.of(shape),
                        Names.values(pair.base(), "precision", "scale"),
                        ratio(pair, result -> result.metric(Metric.WEIGHT_BYTES)),
                        ratio(pair, result -> result.metric(Metric.RETAINED_BYTES)),
                        String.format(Locale.ROOT, "%+.1f %%", 100 * memoryError(pair)),
                        Math.abs(memoryError(pair)) <= AGREES ? "yes" : "no")));
        return table;
    }

    /** How far the measured ratio is above the cost model's, as a share of that. */
    private static double memoryError(Pair pair) {
        return pair.ratio(result -> result.metric(Metric.RETAINED_BYTES))
                        / pair.ratio(result -> result.metric(Metric.WEIGHT_BYTES))
                - 1;
    }

    private static String ratio(Pair pair, ToDoubleFunction<Result> value) {
        return Numbers.ratio(pair.ratio(value));
    }
}
