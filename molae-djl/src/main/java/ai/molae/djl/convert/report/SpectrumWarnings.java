package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Html;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Where a conversion cannot pay, with the numbers; layers that have the same to say say it together. */
final class SpectrumWarnings {

    /** Of the energy that random matrices would lose, real ones must keep this part to count as sharing a subspace. A choice. */
    static final double LEAST_SHARED = 0.1;

    private SpectrumWarnings() {}

    static List<String> of(SpectrumReport report, List<LayerSpectrum> spectra) {
        List<String> warnings = new ArrayList<>(randomLike(spectra));
        Map<Integer, List<LayerSpectrum>> byLayer = spectra.stream()
                .collect(Collectors.groupingBy(LayerSpectrum::layer, LinkedHashMap::new, Collectors.toList()));
        Map<String, List<Integer>> layersByText = new LinkedHashMap<>();
        byLayer.forEach((layer, operators) -> {
            List<String> texts = new ArrayList<>();
            size(operators.get(0)).forEach(texts::add);
            flops(report, operators).forEach(texts::add);
            texts.forEach(text ->
                    layersByText.computeIfAbsent(text, t -> new ArrayList<>()).add(layer));
        });
        layersByText.forEach((text, layers) -> warnings.add(capital(Texts.layers(layers)) + ": " + text));
        return warnings;
    }

    private static List<String> randomLike(List<LayerSpectrum> spectra) {
        Map<ExpertOperator, List<LayerSpectrum>> poor = new EnumMap<>(ExpertOperator.class);
        for (LayerSpectrum spectrum : spectra) {
            int r = spectrum.breakEvenRank();
            double floor = spectrum.randomFloor(r);
            if (spectrum.kept(r) - floor < LEAST_SHARED * (1 - floor)) {
                poor.computeIfAbsent(spectrum.operator(), operator -> new ArrayList<>())
                        .add(spectrum);
            }
        }
        List<String> warnings = new ArrayList<>();
        poor.forEach((operator, layers) -> warnings.add(String.format(
                Locale.ROOT,
                "%s of %s: even the break-even rank (%s) keeps %s of the energy, and random matrices would keep %s."
                        + " The experts share no subspace worth the name, so every latent size that saves parameters loses what it does not keep;"
                        + " only training afterwards can bring it back.",
                capital(Texts.name(operator)),
                Texts.layers(layers.stream().map(LayerSpectrum::layer).toList()),
                range(layers, spectrum -> (double) spectrum.breakEvenRank(), Html::number),
                range(layers, spectrum -> spectrum.kept(spectrum.breakEvenRank()), share -> Texts.percent(share, 1)),
                range(
                        layers,
                        spectrum -> spectrum.randomFloor(spectrum.breakEvenRank()),
                        share -> Texts.percent(share, 1)))));
        return warnings;
    }

    private static String range(
            List<LayerSpectrum> layers, Function<LayerSpectrum, Double> of, Function<Double, String> format) {
        String least = format.apply(layers.stream().map(of).min(Double::compare).orElse(Double.NaN));
        String greatest =
                format.apply(layers.stream().map(of).max(Double::compare).orElse(Double.NaN));
        return least.equals(greatest) ? least : least.replace(" %", "") + " to " + greatest;
    }

    private static List<String> size(LayerSpectrum spectrum) {
        int m = spectrum.rows();
        int n = spectrum.columns();
        int most = spectrum.breakEvenRank();
        String atMost =
                most == 0 ? "no latent size saves any" : "the largest latent size that saves any is r = " + most;
        if (m >= n) {
            return List.of(String.format(
                    Locale.ROOT,
                    "experts are as wide as the model or wider (m = %d, n = %d), so r = m saves no parameters however large the groups; %s.",
                    m,
                    n,
                    atMost));
        }
        double mean = (double) spectrum.experts() / spectrum.groups().size();
        double least = BreakEven.groupSize(m, n, m);
        if (mean > least) {
            return List.of();
        }
        return List.of(String.format(
                Locale.ROOT,
                "groups of %s experts save no parameters at r = m = %d, where a group must have more than n/(n − m) = %s; %s.",
                Html.number(mean),
                m,
                Html.number(least),
                atMost));
    }

    /** At what is planned, or else at the paper's r = m, or the largest latent size that saves parameters if that is less. */
    private static List<String> flops(SpectrumReport report, List<LayerSpectrum> operators) {
        LayerSpectrum first = operators.get(0);
        MoeSpec before = (MoeSpec) report.model().feedForwards().get(first.layer());
        int r = operators.stream()
                .mapToInt(spectrum -> Math.min(spectrum.rows(), spectrum.breakEvenRank()))
                .min()
                .orElse(0);
        MoeSpec after;
        String at;
        if (report.planned().isPresent()) {
            if (!(report.planned().get().feedForwards().get(first.layer()) instanceof MoeSpec planned)) {
                return List.of();
            }
            after = planned;
            at = "as planned";
        } else if (r > 0) {
            after = RoutedCost.latent(
                    before, operators.stream().map(LayerSpectrum::operator).toList(), r, first.groupSizes());
            at = "at r = " + r;
        } else {
            return List.of();
        }
        RoutedCost cost = RoutedCost.of(before, after);
        if (cost.flopRatio() <= 1) {
            return List.of();
        }
        return List.of(String.format(
                Locale.ROOT,
                "%s the routed experts need %s times the FLOPs of a token (with %s times the parameters), as its K = %d experts lie in %s groups"
                        + " on average; larger groups, or groups of experts that are chosen together, need fewer.",
                at,
                Texts.fixed(cost.flopRatio(), 3),
                Texts.fixed(cost.parameterRatio(), 3),
                before.topK(),
                Html.number(cost.distinctGroups())));
    }

    private static String capital(String text) {
        return Character.toUpperCase(text.charAt(0)) + text.substring(1);
    }
}
