package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Html;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What routed experts would cost after a conversion, once for all layers that are alike. */
final class Predictions {

    /** One row: some layers with one latent size, or as planned. */
    record Row(List<Integer> layers, String latentSize, RoutedCost cost) {}

    /** What the cost of a layer depends on. */
    private record Kind(
            MoeSpec spec, List<ExpertOperator> operators, List<Integer> groups, Optional<MoeSpec> planned) {}

    private Predictions() {}

    static List<Row> of(SpectrumReport report, List<LayerSpectrum> spectra) {
        Map<Kind, List<LayerSpectrum>> kinds = new LinkedHashMap<>();
        spectra.stream()
                .collect(Collectors.groupingBy(LayerSpectrum::layer, LinkedHashMap::new, Collectors.toList()))
                .forEach((layer, operators) -> kinds.computeIfAbsent(
                                new Kind(
                                        (MoeSpec) report.model().feedForwards().get(layer),
                                        operators.stream()
                                                .map(LayerSpectrum::operator)
                                                .toList(),
                                        operators.get(0).groupSizes(),
                                        report.planned().map(plan -> planned(plan, layer))),
                                kind -> new ArrayList<>())
                        .add(operators.get(0)));
        List<Row> rows = new ArrayList<>();
        kinds.forEach((kind, layers) -> {
            List<Integer> numbers = layers.stream().map(LayerSpectrum::layer).toList();
            names(layers.get(0)).forEach((r, name) -> {
                MoeSpec after = RoutedCost.latent(kind.spec(), kind.operators(), r, kind.groups());
                rows.add(new Row(numbers, r + " = " + name, RoutedCost.of(kind.spec(), after)));
            });
            kind.planned()
                    .ifPresent(planned -> rows.add(
                            new Row(numbers, "planned: " + sizes(planned), RoutedCost.of(kind.spec(), planned))));
        });
        return rows;
    }

    /** What is planned for a layer that is a MoE layer. */
    static MoeSpec planned(ModelSpec plan, int layer) {
        if (plan.feedForwards().get(layer) instanceof MoeSpec moe) {
            return moe;
        }
        throw new IllegalArgumentException("the plan makes the MoE layer " + layer + " "
                + plan.feedForwards().get(layer) + "; it stays a MoE layer, latent or not");
    }

    /** The latent sizes below n by their size, with all names of each. */
    private static Map<Integer, String> names(LayerSpectrum spectrum) {
        Map<Integer, String> names = new TreeMap<>();
        Candidates.of(spectrum).forEach((name, r) -> {
            if (r > 0 && r < spectrum.columns()) {
                names.merge(r, name, (one, other) -> one + " = " + other);
            }
        });
        return names;
    }

    private static String sizes(MoeSpec planned) {
        return planned.latent()
                .map(latent -> latent.latentSizes().entrySet().stream()
                        .map(entry -> Texts.name(entry.getKey()) + " " + entry.getValue())
                        .collect(Collectors.joining(", ")))
                .orElse("as it is");
    }

    static Part.Table table(List<Row> rows) {
        return new Part.Table(
                List.of("layers", "latent size", "parameters", "FLOPs of a token", "groups of a token"),
                rows.stream()
                        .map(row -> List.of(
                                Texts.layers(row.layers()),
                                row.latentSize(),
                                Texts.fixed(row.cost().parameterRatio(), 3),
                                Texts.fixed(row.cost().flopRatio(), 3),
                                Html.number(row.cost().distinctGroups())))
                        .toList());
    }
}
