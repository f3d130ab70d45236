package ai.molae.djl.convert.report;

import ai.molae.djl.chart.LineChart;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.Point;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.convert.Weighting;
import ai.molae.spec.ExpertOperator;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/** A spectrum report as people read it. */
final class SpectrumSheet {

    /** Colours besides those of the operators. */
    private static final int RANDOM = 7;

    private static final int BREAK_EVEN = 3;

    private SpectrumSheet() {}

    static Sheet of(SpectrumReport report) {
        List<LayerSpectrum> spectra = LayerSpectrum.of(report);
        List<Part> parts = new ArrayList<>();
        parts.add(
                new Part.Paragraph(
                        "Norm: "
                                + (report.weighting() == Weighting.NONE
                                        ? "Frobenius"
                                        : report.weighting().name().toLowerCase(Locale.ROOT))
                                + ". A latent size r keeps the energy of the r greatest singular values of a group's stacked matrices; the rest is the squared"
                                + " relative error of the best factorisation. The random floor is what r keeps of matrices of the same shape with independent"
                                + " entries (Marchenko and Pastur's law)"
                                + (report.weighting() == Weighting.NONE
                                        ? "."
                                        : "; in this norm, where some inputs count more than others, even random experts keep more than that.")));
        parts.add(new Part.Lines(SpectrumWarnings.of(report, spectra), true));
        parts.add(new Part.Heading("Energy kept"));
        parts.add(new Part.Figures(overview(spectra)));
        parts.add(table(report, spectra));
        parts.add(new Part.Heading("Size and speed of the routed experts"));
        parts.add(
                new Part.Paragraph(
                        "Over those of the standard layers, if every operator listed above is factored. FLOPs and groups of a"
                                + " token are expectations with a router that favours no expert. At break-even is the largest latent size that saves parameters."));
        parts.add(Predictions.table(Predictions.of(report, spectra)));
        parts.add(new Part.Figures(curves(spectra)));
        return new Sheet("Spectra of " + report.source(), parts);
    }

    private static Part table(SpectrumReport report, List<LayerSpectrum> spectra) {
        List<String> head = new ArrayList<>(
                List.of("layer", "operator", "n", "m", "groups", "break-even r", "break-even k at r = m"));
        Candidates.NAMES.forEach(name -> head.add("r = " + name));
        head.addAll(List.of("least group there", "random floor there", "r for 90 %", "r for 99 %"));
        if (report.planned().isPresent()) {
            head.addAll(List.of("planned r", "kept"));
        }
        return new Part.Table(
                head, spectra.stream().map(spectrum -> row(report, spectrum)).toList());
    }

    private static List<String> row(SpectrumReport report, LayerSpectrum spectrum) {
        int breakEven = spectrum.breakEvenRank();
        double groupSize = BreakEven.groupSize(spectrum.rows(), spectrum.columns(), spectrum.rows());
        List<String> row = new ArrayList<>(List.of(
                "" + spectrum.layer(),
                Texts.name(spectrum.operator()),
                "" + spectrum.columns(),
                "" + spectrum.rows(),
                groups(spectrum.groupSizes()),
                "" + breakEven,
                Double.isFinite(groupSize) ? Texts.fixed(groupSize, 2) : "none"));
        Candidates.of(spectrum).values().forEach(r -> row.add(Texts.percent(spectrum.kept(r), 1)));
        row.addAll(List.of(
                Texts.percent(spectrum.leastKept(breakEven), 1),
                Texts.percent(spectrum.randomFloor(breakEven), 1),
                "" + spectrum.rankFor(0.9),
                "" + spectrum.rankFor(0.99)));
        report.planned().ifPresent(plan -> {
            boolean factored = Predictions.planned(plan, spectrum.layer()).isFactored(spectrum.operator());
            int r = Predictions.planned(plan, spectrum.layer()).expertWidth(spectrum.operator());
            row.add(factored ? "" + r : "dense");
            row.add(factored ? Texts.percent(spectrum.kept(r), 1) : Texts.percent(1, 1));
        });
        return row;
    }

    /** "4 of 8", "3 of 5–6". */
    private static String groups(List<Integer> sizes) {
        int[] sorted = sizes.stream().mapToInt(Integer::intValue).sorted().toArray();
        int least = sorted[0];
        int most = sorted[sorted.length - 1];
        return sorted.length + " of " + least + (most > least ? "–" + most : "");
    }

    private static List<String> overview(List<LayerSpectrum> spectra) {
        LineChart kept = new LineChart("Energy kept at the break-even rank", "%", "layer", false);
        LineChart needed = new LineChart("Rank for 90 % of the energy", "r", "layer", false);
        for (ExpertOperator operator : ExpertOperator.values()) {
            List<LayerSpectrum> all = spectra.stream()
                    .filter(spectrum -> spectrum.operator() == operator)
                    .toList();
            kept.add(
                    Texts.name(operator),
                    byLayer(all, spectrum -> 100 * spectrum.kept(spectrum.breakEvenRank())),
                    Style.DOTS,
                    Texts.colour(operator));
            needed.add(
                    Texts.name(operator),
                    byLayer(all, spectrum -> spectrum.rankFor(0.9)),
                    Style.DOTS,
                    Texts.colour(operator));
        }
        List<LayerSpectrum> first = spectra.stream()
                .collect(Collectors.toMap(LayerSpectrum::layer, s -> s, (one, other) -> one, LinkedHashMap::new))
                .values()
                .stream()
                .toList();
        kept.add(
                "random matrices",
                byLayer(first, spectrum -> 100 * spectrum.randomFloor(spectrum.breakEvenRank())),
                Style.BOUND,
                RANDOM);
        needed.add("break-even", byLayer(first, LayerSpectrum::breakEvenRank), Style.BOUND, BREAK_EVEN);
        return kept.isEmpty() ? List.of() : List.of(kept.figure(), needed.figure());
    }

    private static List<Point> byLayer(List<LayerSpectrum> spectra, ToDoubleFunction<LayerSpectrum> value) {
        return spectra.stream()
                .map(spectrum -> new Point(spectrum.layer(), value.applyAsDouble(spectrum)))
                .filter(point -> Double.isFinite(point.y()))
                .toList();
    }

    /** A chart for each layer. */
    private static List<String> curves(List<LayerSpectrum> spectra) {
        List<String> figures = new ArrayList<>();
        Map<Integer, List<LayerSpectrum>> byLayer = spectra.stream()
                .collect(Collectors.groupingBy(LayerSpectrum::layer, LinkedHashMap::new, Collectors.toList()));
        byLayer.forEach((layer, operators) -> {
            LineChart chart = new LineChart("Layer " + layer, "% of the energy by latent size", "rank", false);
            operators.forEach(spectrum -> chart.add(
                    Texts.name(spectrum.operator()), spectrum.curve(), Style.LINE, Texts.colour(spectrum.operator())));
            // Operators of a layer have the same shape.
            LayerSpectrum first = operators.get(0);
            chart.add("random matrices", first.floorCurve(), Style.BOUND, RANDOM);
            chart.add(
                    "break-even",
                    Arrays.asList(new Point(first.breakEvenRank(), 0), new Point(first.breakEvenRank(), 100)),
                    Style.BOUND,
                    BREAK_EVEN);
            figures.add(chart.figure());
        });
        return figures;
    }
}
