package ai.molae.djl.convert.report;

import ai.molae.cost.CostModel;
import ai.molae.cost.ModelCost;
import ai.molae.cost.ModelPart;
import ai.molae.djl.chart.BarChart;
import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.LineChart;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.Point;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.LayerConversion;
import ai.molae.djl.convert.OperatorError;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/** A conversion report as people read it. */
final class ConversionSheet {

    /** The colour of the outputs' error, besides those of the operators. */
    private static final int OUTPUT = 3;

    private ConversionSheet() {}

    static Sheet of(ConversionReport report) {
        List<Part> parts = new ArrayList<>();
        parts.add(new Part.Heading("Size and speed"));
        parts.add(totals(report));
        parts.add(new Part.Paragraph(
                "Active parameters and FLOPs are expectations for one token with a router that favours no expert;"
                        + " FLOPs of the model are those of a token that attends to itself only."));
        parts.add(new Part.Heading("Loss"));
        parts.add(losses(report));
        parts.add(new Part.Heading("Layers"));
        parts.add(new Part.Paragraph(
                "Errors are relative: the root of the squared differences' sum over that of the originals."
                        + (report.layers().size() < report.before().numLayers()
                                ? " " + report.layers().size() + " of "
                                        + report.before().numLayers()
                                        + " layers were converted; the others are as before."
                                : "")));
        parts.add(new Part.Figures(figures(report)));
        parts.add(layers(report.layers()));
        parts.add(new Part.Heading("Method"));
        parts.add(new Part.Lines(report.method(), false));
        return new Sheet("Conversion of " + report.source(), parts);
    }

    private static Part totals(ConversionReport report) {
        ModelCost before = CostModel.model(report.before());
        ModelCost after = CostModel.model(report.after());
        List<List<String>> rows = new ArrayList<>();
        rows.add(total(
                "routed experts' parameters",
                before,
                after,
                cost -> (double) cost.parameters(ModelPart.ROUTED_EXPERTS),
                ConversionSheet::count));
        rows.add(total("parameters", before, after, cost -> (double) cost.parameters(), ConversionSheet::count));
        rows.add(total("active parameters", before, after, ModelCost::activeParameters, Html::number));
        rows.add(total("routed experts' FLOPs of a token", before, after, ConversionSheet::routedFlops, Html::number));
        rows.add(total("FLOPs of a token", before, after, cost -> cost.forwardFlops(1), Html::number));
        return new Part.Table(List.of("", "before", "after", "after/before"), rows);
    }

    private static String count(double count) {
        return Texts.count((long) count);
    }

    static double routedFlops(ModelCost cost) {
        return cost.forwardFlopsByPart(1).getOrDefault(ModelPart.ROUTED_EXPERTS, 0.0);
    }

    private static List<String> total(
            String name,
            ModelCost before,
            ModelCost after,
            ToDoubleFunction<ModelCost> of,
            Function<Double, String> format) {
        double old = of.applyAsDouble(before);
        double converted = of.applyAsDouble(after);
        return List.of(name, format.apply(old), format.apply(converted), Texts.fixed(converted / old, 3));
    }

    private static Part losses(ConversionReport report) {
        if (report.losses().isEmpty()) {
            return new Part.Paragraph("Not measured.");
        }
        double first = report.losses().values().iterator().next();
        List<List<String>> rows = new ArrayList<>();
        report.losses()
                .forEach((stage, loss) -> rows.add(List.of(
                        stage,
                        Texts.fixed(loss, 4),
                        Html.number(Math.exp(loss)),
                        rows.isEmpty() ? "" : Texts.difference(loss - first, 4),
                        rows.isEmpty() ? "" : Texts.difference(Math.exp(loss) - Math.exp(first), 3))));
        return new Part.Table(
                List.of("stage", "loss, nats per token", "perplexity", "loss more", "perplexity more"), rows);
    }

    /** A column of the table of layers; it is left out if no layer has anything for it. */
    private record Column(String title, Function<LayerConversion, Optional<String>> value) {}

    private static Part layers(List<LayerConversion> layers) {
        List<Column> columns = columns().stream()
                .filter(column -> layers.stream()
                        .anyMatch(layer -> column.value().apply(layer).isPresent()))
                .toList();
        return new Part.Table(
                columns.stream().map(Column::title).toList(),
                layers.stream()
                        .map(layer -> columns.stream()
                                .map(column -> column.value().apply(layer).orElse(Texts.UNKNOWN))
                                .toList())
                        .toList());
    }

    private static List<Column> columns() {
        List<Column> columns = new ArrayList<>();
        columns.add(new Column("layer", layer -> Optional.of("" + layer.layer())));
        columns.add(
                new Column("experts", layer -> Optional.of("" + layer.before().numExperts())));
        columns.add(new Column("groups", layer -> layer.after()
                .latent()
                .map(latent -> "" + layer.after().expertGroups().numGroups())));
        for (ExpertOperator operator : ExpertOperator.values()) {
            columns.add(new Column("r of " + Texts.name(operator), layer -> latentSize(layer.after(), operator)));
        }
        for (ExpertOperator operator : ExpertOperator.values()) {
            columns.add(new Column("error of " + Texts.name(operator), layer -> error(layer, operator)
                    .map(error -> Texts.percent(error.relativeError(), 2))));
        }
        for (ExpertOperator operator : ExpertOperator.values()) {
            columns.add(new Column("weighted, " + Texts.name(operator), layer -> error(layer, operator)
                    .flatMap(error -> percent(error.weightedError()))));
        }
        columns.add(new Column("error of outputs", layer -> percent(layer.outputError())));
        columns.add(new Column("parameters before", layer -> Optional.of(Texts.count(parameters(layer.before())))));
        columns.add(new Column("after", layer -> Optional.of(Texts.count(parameters(layer.after())))));
        columns.add(new Column(
                "after/before",
                layer -> Optional.of(
                        Texts.fixed(RoutedCost.of(layer.before(), layer.after()).parameterRatio(), 3))));
        columns.add(new Column(
                "FLOPs after/before",
                layer -> Optional.of(
                        Texts.fixed(RoutedCost.of(layer.before(), layer.after()).flopRatio(), 3))));
        columns.add(new Column("seconds", layer -> Optional.of(Html.number(layer.seconds()))));
        return columns;
    }

    private static Optional<OperatorError> error(LayerConversion layer, ExpertOperator operator) {
        return Optional.ofNullable(layer.errors().get(operator));
    }

    private static Optional<String> percent(OptionalDouble share) {
        return share.isPresent() ? Optional.of(Texts.percent(share.getAsDouble(), 2)) : Optional.empty();
    }

    private static Optional<String> latentSize(MoeSpec spec, ExpertOperator operator) {
        if (!spec.operators().contains(operator)) {
            return Optional.empty();
        }
        return Optional.of(spec.isFactored(operator) ? "" + spec.expertWidth(operator) : "dense");
    }

    private static long parameters(MoeSpec spec) {
        return CostModel.layer(spec).routedExpertParameters();
    }

    private static List<String> figures(ConversionReport report) {
        LineChart errors = new LineChart("Relative error", "% of weights and outputs", "layer", false);
        for (ExpertOperator operator : ExpertOperator.values()) {
            errors.add(
                    Texts.name(operator),
                    points(report, layer -> error(layer, operator)
                            .map(OperatorError::relativeError)
                            .orElse(Double.NaN)),
                    Style.DOTS,
                    Texts.colour(operator));
        }
        errors.add("outputs", points(report, layer -> layer.outputError().orElse(Double.NaN)), Style.DOTS, OUTPUT);
        BarChart sizes = new BarChart("Parameters", "of the routed experts, by layer", List.of("before", "after"));
        report.layers()
                .forEach(layer -> sizes.add(
                        "" + layer.layer(), (double) parameters(layer.before()), (double) parameters(layer.after())));
        BarChart losses = new BarChart("Loss", "nats per token, by stage", List.of("loss"));
        report.losses().forEach((stage, loss) -> losses.add(stage, loss));
        return Stream.of(
                        errors.isEmpty() ? "" : errors.figure(),
                        sizes.isEmpty() ? "" : sizes.figure(),
                        losses.isEmpty() ? "" : losses.figure())
                .filter(figure -> !figure.isEmpty())
                .toList();
    }

    private static List<Point> points(ConversionReport report, ToDoubleFunction<LayerConversion> error) {
        return report.layers().stream()
                .map(layer -> new Point(layer.layer(), 100 * error.applyAsDouble(layer)))
                .filter(point -> Double.isFinite(point.y()))
                .toList();
    }
}
