package ai.molae.cli.convert;

import ai.molae.cost.CostModel;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.LayerConversion;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The result of a conversion in a few lines. */
final class Summary {

    private Summary() {}

    static String of(ConversionReport report, Path target, boolean multipliedOut) {
        StringBuilder text = new StringBuilder();
        long before = routed(report.before());
        long after = routed(report.after());
        line(
                text,
                "%s -> %s: %d of %d MoE layers, %,d -> %,d parameters of routed experts (%.3f), %,d -> %,d of the model",
                report.source(),
                target,
                report.layers().size(),
                moeLayers(report.before()).count(),
                before,
                after,
                (double) after / before,
                CostModel.model(report.before()).parameters(),
                CostModel.model(report.after()).parameters());
        if (multipliedOut) {
            line(text, "written multiplied out: a standard checkpoint as large as before");
        }
        errors(report.layers()).ifPresentText(text);
        if (!report.losses().isEmpty()) {
            line(
                    text,
                    "loss: %s",
                    report.losses().entrySet().stream()
                            .map(loss -> String.format(Locale.ROOT, "%s %.4f", loss.getKey(), loss.getValue()))
                            .collect(Collectors.joining(", ")));
        }
        line(text, "reports: %s, conversion.html, conversion.json", target.resolve("conversion.md"));
        return text.toString();
    }

    private static void line(StringBuilder text, String format, Object... arguments) {
        text.append(String.format(Locale.ROOT, format, arguments)).append(System.lineSeparator());
    }

    private static Stream<MoeSpec> moeLayers(ModelSpec model) {
        return model.feedForwards().stream().filter(MoeSpec.class::isInstance).map(MoeSpec.class::cast);
    }

    private static long routed(ModelSpec model) {
        return moeLayers(model)
                .mapToLong(moe -> CostModel.layer(moe).routedExpertParameters())
                .sum();
    }

    /** Means over the layers, as text. */
    private record Errors(String text) {
        void ifPresentText(StringBuilder summary) {
            if (!text.isEmpty()) {
                line(summary, "relative error, mean over layers: %s", text);
            }
        }
    }

    private static Errors errors(List<LayerConversion> layers) {
        String operators = List.of(ExpertOperator.values()).stream()
                .map(operator -> mean(
                        operator.name().toLowerCase(Locale.ROOT),
                        layers.stream()
                                .filter(layer -> layer.errors().containsKey(operator))
                                .mapToDouble(
                                        layer -> layer.errors().get(operator).relativeError())
                                .average()))
                .filter(text -> !text.isEmpty())
                .collect(Collectors.joining(", "));
        String outputs = mean(
                "outputs",
                layers.stream()
                        .filter(layer -> layer.outputError().isPresent())
                        .mapToDouble(layer -> layer.outputError().getAsDouble())
                        .average());
        return new Errors(operators.isEmpty() || outputs.isEmpty() ? operators + outputs : operators + ", " + outputs);
    }

    private static String mean(String name, OptionalDouble mean) {
        return mean.isEmpty() ? "" : String.format(Locale.ROOT, "%s %.4f", name, mean.getAsDouble());
    }
}
