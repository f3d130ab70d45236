package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.LineChart;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.Point;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * The spectra of experts, standard or factored, as a part of a page about a model. Unlike {@link SpectrumFiles} it says nothing of a conversion.
 *
 * <pre>
 *   kept(r)    Σ_groups Σ_{j ≤ r} s_j² / Σ_groups Σ_j s_j²
 *   random     the same of matrices of the same shape and energy with independent entries
 *   full rank  min(n, km) of a group of k experts; of a factored one min(r, km)
 * </pre>
 */
public final class SpectrumSection {

    private static final int RANDOM = 7;
    private static final List<String> HEAD = List.of(
            "layer",
            "operator",
            "stacks",
            "full rank",
            "greatest s",
            "energy",
            "r for 50 %",
            "r for 90 %",
            "random",
            "r for 99 %",
            "random",
            "kept by ¼ of the ranks",
            "random");

    private SpectrumSection() {}

    /**
     * Charts and a table.
     *
     * @param report the spectra of at least one layer
     * @return HTML, without a headline
     */
    public static String html(SpectrumReport report) {
        List<LayerSpectrum> spectra = LayerSpectrum.of(report);
        List<Part> parts = new ArrayList<>();
        parts.add(
                new Part.Paragraph(
                        "The matrices of an operator, stacked over the experts that can share, have singular values s₁ ≥ s₂ ≥ …. A curve is the part of"
                                + " their energy Σ s² that the r greatest hold, and the dotted line what they would hold if the experts were matrices of random"
                                + " numbers (Marchenko and Pastur's law). Where the two are alike, experts have nothing in common."));
        if (spectra.stream().anyMatch(spectrum -> factored(report, spectrum))) {
            parts.add(new Part.Paragraph(
                    "Factored experts are taken as products of their own factors and the projection, group by group. They cannot have more singular"
                            + " values than the latent size, so the random matrices are those of the latent space: a curve far above them leaves a"
                            + " part of that space nearly unused."));
        }
        parts.add(new Part.Figures(List.of(overview(spectra))));
        parts.add(
                new Part.Table(HEAD, spectra.stream().map(SpectrumSection::row).toList()));
        parts.add(new Part.Figures(curves(spectra)));
        return parts.stream().map(Part::html).collect(Collectors.joining());
    }

    private static boolean factored(SpectrumReport report, LayerSpectrum spectrum) {
        return report.model().feedForwards().get(spectrum.layer()) instanceof MoeSpec moe
                && moe.isFactored(spectrum.operator());
    }

    private static List<String> row(LayerSpectrum spectrum) {
        int quarter = Math.max(1, spectrum.fullRank() / 4);
        return List.of(
                "" + spectrum.layer(),
                Texts.name(spectrum.operator()),
                stacks(spectrum),
                "" + spectrum.fullRank(),
                Html.number(spectrum.greatest()),
                Html.number(spectrum.energy()),
                "" + spectrum.rankFor(0.5),
                "" + spectrum.rankFor(0.9),
                "" + spectrum.randomRankFor(0.9),
                "" + spectrum.rankFor(0.99),
                "" + spectrum.randomRankFor(0.99),
                Texts.percent(spectrum.kept(quarter), 1),
                Texts.percent(spectrum.randomFloor(quarter), 1));
    }

    /** "64 × 1024 × 2048", of groups "8 of 8 × 1024 × 512". */
    private static String stacks(LayerSpectrum spectrum) {
        List<Integer> sizes = spectrum.groupSizes();
        int least = sizes.stream().min(Integer::compare).orElse(0);
        int most = sizes.stream().max(Integer::compare).orElse(0);
        return (sizes.size() == 1 ? "" : sizes.size() + " of ") + least + (most > least ? "–" + most : "") + " × "
                + spectrum.rows() + " × " + spectrum.columns();
    }

    private static String overview(List<LayerSpectrum> spectra) {
        LineChart chart =
                new LineChart("Ranks for 90 % of the energy", "% of all ranks; dotted: random", "layer", false);
        for (ExpertOperator operator : ExpertOperator.values()) {
            List<LayerSpectrum> all = spectra.stream()
                    .filter(spectrum -> spectrum.operator() == operator)
                    .toList();
            chart.add(
                    Texts.name(operator),
                    byLayer(all, spectrum -> spectrum.rankFor(0.9)),
                    Style.DOTS,
                    Texts.colour(operator));
            chart.add("", byLayer(all, spectrum -> spectrum.randomRankFor(0.9)), Style.BOUND, Texts.colour(operator));
        }
        return chart.figure();
    }

    private static List<Point> byLayer(List<LayerSpectrum> spectra, ToDoubleFunction<LayerSpectrum> rank) {
        return spectra.stream()
                .map(spectrum -> new Point(spectrum.layer(), 100 * rank.applyAsDouble(spectrum) / spectrum.fullRank()))
                .toList();
    }

    /** A chart for each layer, with a random curve for every shape in it. */
    private static List<String> curves(List<LayerSpectrum> spectra) {
        Map<Integer, List<LayerSpectrum>> byLayer = spectra.stream()
                .collect(Collectors.groupingBy(LayerSpectrum::layer, LinkedHashMap::new, Collectors.toList()));
        List<String> figures = new ArrayList<>();
        byLayer.forEach((layer, operators) -> {
            LineChart chart = new LineChart("Layer " + layer, "% of the energy", "rank", false);
            Map<String, LayerSpectrum> shapes = new LinkedHashMap<>();
            for (LayerSpectrum spectrum : operators) {
                chart.add(
                        Texts.name(spectrum.operator()),
                        spectrum.curve(),
                        Style.LINE,
                        Texts.colour(spectrum.operator()));
                shapes.putIfAbsent(stacks(spectrum), spectrum);
            }
            shapes.forEach((shape, first) -> chart.add(
                    shapes.size() == 1 ? "random" : "random " + shape, first.floorCurve(), Style.BOUND, RANDOM));
            figures.add(chart.figure());
        });
        return figures;
    }
}
