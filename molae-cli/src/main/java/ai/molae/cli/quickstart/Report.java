package ai.molae.cli.quickstart;

import ai.molae.cli.work.DraftFolder;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.train.LmTrainingListener;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The files of a report: {@code report.md} to read, {@code loss.png} to look at, {@code report.json} with every number.
 *
 * @param settings flags, versions and facts about text and machine, in the order to print them
 * @param comparison the table; none unless both models were trained to the end
 * @param results the runs, one or two
 * @param unigramEntropy cross-entropy of the validation tokens under the training tokens' frequencies, nats per token
 */
record Report(
        Map<String, Object> settings,
        List<Comparison> comparison,
        List<ModelRun.Result> results,
        double unigramEntropy) {

    private static final Logger LOGGER = LoggerFactory.getLogger(Report.class);
    private static final String CHART = "loss.png";
    private static final List<Color> COLORS = List.of(new Color(0x1F77B4), new Color(0xD95F02));

    /** Loads what drawing needs: while the JVM shuts down after Ctrl-C it is too late for that. */
    static void prepareDrawing() {
        System.setProperty("java.awt.headless", "true");
        ImageIO.setUseCache(false);
        try {
            XYChart chart = new XYChartBuilder().width(100).height(100).build();
            chart.addSeries("none", new double[] {0, 1});
            BitmapEncoder.getBitmapBytes(chart, BitmapFormat.PNG);
        } catch (LinkageError | RuntimeException | InternalError | IOException e) {
            LOGGER.debug("Java cannot draw here", e);
        }
    }

    void write(DraftFolder folder) throws IOException {
        boolean chart = writeChart(folder);
        Files.writeString(folder.file("report.md"), markdown(chart));
        Files.writeString(
                folder.file("report.json"),
                new GsonBuilder().setPrettyPrinting().serializeNulls().create().toJson(json())
                        + System.lineSeparator());
    }

    private String markdown(boolean chart) {
        StringBuilder out = new StringBuilder("# molae quickstart\n\n");
        for (Comparison table : comparison) {
            out.append(table.conclusion())
                    .append("\n\n")
                    .append(table.markdown())
                    .append('\n');
            table.notes().forEach(note -> out.append(note).append("\n\n"));
        }
        out.append(String.format(
                Locale.ROOT,
                "Unigram entropy of the validation text: %.4f nats per token; a model that learned nothing but letter frequencies"
                        + " has this loss.%n%n",
                unigramEntropy));
        if (chart) {
            out.append("![Loss curves](" + CHART + ")\n\n");
        }
        for (ModelRun.Result result : results) {
            out.append("## ").append(result.name()).append("\n\n");
            out.append(String.format(Locale.ROOT, "%d of %d steps. ", result.stepsDone(), result.stepsPlanned()));
            out.append("Validation loss by step:\n\n| step | nats per token |\n|---:|---:|\n");
            result.evaluations()
                    .forEach(e -> out.append(String.format(Locale.ROOT, "| %d | %.4f |%n", e.step(), e.loss())));
            if (!result.sample().isEmpty()) {
                out.append("\nA continuation of the prompt:\n\n~~~~\n")
                        .append(settings.get("prompt"))
                        .append(result.sample())
                        .append("\n~~~~\n");
            }
            out.append('\n');
        }
        out.append("## Settings\n\n| | |\n|---|---|\n");
        settings.forEach((key, value) -> out.append("| ")
                .append(key)
                .append(" | ")
                .append(String.valueOf(value).replace("\n", "⏎").replace("|", "\\|"))
                .append(" |\n"));
        return out.toString();
    }

    private JsonObject json() {
        JsonObject root = new JsonObject();
        JsonObject flags = new JsonObject();
        settings.forEach((key, value) -> flags.add(
                key, value instanceof Number n ? number(n.doubleValue()) : new JsonPrimitive(String.valueOf(value))));
        root.add("settings", flags);
        root.add("unigram_entropy_nats", number(unigramEntropy));
        JsonObject table = new JsonObject();
        for (Comparison one : comparison) {
            root.addProperty("conclusion", one.conclusion());
            for (Comparison.Row row : one.rows()) {
                JsonObject values = new JsonObject();
                values.add("moe", number(row.moe()));
                values.add("molae", number(row.molae()));
                values.add("ratio", number(row.ratio()));
                table.add(row.key(), values);
            }
        }
        root.add("comparison", table);
        JsonArray models = new JsonArray();
        results.forEach(result -> models.add(json(result)));
        root.add("models", models);
        return root;
    }

    private static JsonObject json(ModelRun.Result result) {
        JsonObject model = new JsonObject();
        model.addProperty("name", result.name());
        model.add("spec", JsonParser.parseString(SpecJson.toJson(result.spec())));
        model.addProperty("steps_done", result.stepsDone());
        model.addProperty("steps_planned", result.stepsPlanned());
        model.add(
                "peak_native_bytes",
                result.peakNativeBytes().isPresent()
                        ? new JsonPrimitive(result.peakNativeBytes().getAsLong())
                        : JsonNull.INSTANCE);
        model.add("training_tokens_per_second", number(result.trainingTokensPerSecond()));
        model.add("decoding_tokens_per_second", number(result.decodingTokensPerSecond()));
        model.addProperty("sample", result.sample());
        JsonArray steps = new JsonArray();
        for (LmTrainingListener.Step step : result.steps()) {
            JsonObject one = new JsonObject();
            one.addProperty("step", step.step());
            one.add("loss", number(step.loss()));
            one.add("aux_loss", number(step.auxLoss()));
            one.add("gradient_norm", number(step.gradientNorm()));
            one.add("learning_rate", number(step.learningRate()));
            one.addProperty("tokens", step.tokens());
            one.add("training_seconds", number(step.trainingSeconds()));
            JsonArray imbalance = new JsonArray();
            step.load().forEach(load -> imbalance.add(number(load.imbalance())));
            one.add("load_imbalance_per_layer", imbalance);
            steps.add(one);
        }
        model.add("steps", steps);
        JsonArray evaluations = new JsonArray();
        for (LmTrainingListener.Evaluation evaluation : result.evaluations()) {
            JsonObject one = new JsonObject();
            one.addProperty("step", evaluation.step());
            one.add("loss", number(evaluation.loss()));
            one.addProperty("tokens", evaluation.tokens());
            evaluations.add(one);
        }
        model.add("evaluations", evaluations);
        return model;
    }

    /** JSON has no NaN: what was not measured is null. */
    private static JsonElement number(double value) {
        if (!Double.isFinite(value)) {
            return JsonNull.INSTANCE;
        }
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? new JsonPrimitive((long) value)
                : new JsonPrimitive(value);
    }

    /** Loss curves of training (thin) and validation (points); false where Java cannot draw, as on a machine without any font. */
    private boolean writeChart(DraftFolder folder) throws IOException {
        try {
            XYChart chart = new XYChartBuilder()
                    .width(1000)
                    .height(600)
                    .title("Loss, nats per token")
                    .xAxisTitle("step")
                    .yAxisTitle("loss")
                    .build();
            chart.getStyler().setXAxisMaxLabelCount(12).setLegendPosition(LegendPosition.InsideNE);
            chart.getStyler().setChartBackgroundColor(Color.WHITE);
            for (ModelRun.Result result : results) {
                Color color = COLORS.get(results.indexOf(result));
                if (!result.steps().isEmpty()) {
                    chart.addSeries(
                                    result.name() + " training",
                                    result.steps().stream()
                                            .mapToDouble(LmTrainingListener.Step::step)
                                            .toArray(),
                                    result.steps().stream()
                                            .mapToDouble(LmTrainingListener.Step::loss)
                                            .toArray())
                            .setMarker(SeriesMarkers.NONE)
                            .setLineColor(new Color(color.getRed(), color.getGreen(), color.getBlue(), 90))
                            .setLineWidth(1);
                }
                if (!result.evaluations().isEmpty()) {
                    chart.addSeries(
                                    result.name() + " validation",
                                    result.evaluations().stream()
                                            .mapToDouble(LmTrainingListener.Evaluation::step)
                                            .toArray(),
                                    result.evaluations().stream()
                                            .mapToDouble(LmTrainingListener.Evaluation::loss)
                                            .toArray())
                            .setMarker(SeriesMarkers.CIRCLE)
                            .setMarkerColor(color)
                            .setLineColor(color);
                }
            }
            Files.write(folder.file(CHART), BitmapEncoder.getBitmapBytes(chart, BitmapFormat.PNG));
            return true;
        } catch (LinkageError | RuntimeException | InternalError e) {
            LOGGER.warn("no loss curves: Java cannot draw here ({}); installing a font usually helps", e.toString());
            return false;
        }
    }
}
