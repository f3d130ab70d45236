package ai.molae.djl.train.metrics;

import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.LmTrainingListener.Step;
import ai.molae.route.LoadStatistics;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.stream.JsonReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.ToDoubleFunction;

/** The lines of a {@link MetricsFile}. */
final class MetricsLine {

    /** What a line is of that is none. */
    static final long NO_STEP = -1;

    private static final String STEP = "step";
    private static final String VALIDATION_LOSS = "validation_loss";
    private static final Gson GSON = new GsonBuilder().serializeNulls().create();

    private MetricsLine() {}

    static String of(Evaluation evaluation) {
        JsonObject line = new JsonObject();
        line.addProperty(STEP, evaluation.step());
        line.add(VALIDATION_LOSS, number(evaluation.loss()));
        line.addProperty("validation_tokens", evaluation.tokens());
        return GSON.toJson(line);
    }

    static String of(Step step) {
        JsonObject line = new JsonObject();
        line.addProperty(STEP, step.step());
        line.addProperty("steps", step.steps());
        line.add("loss", number(step.loss()));
        line.add("aux_loss", number(step.auxLoss()));
        line.add("gradient_norm", number(step.gradientNorm()));
        line.add("learning_rate", number(step.learningRate()));
        line.addProperty("tokens", step.tokens());
        line.addProperty("step_tokens", step.stepTokens());
        line.add("step_seconds", number(step.stepSeconds()));
        line.add("seconds", number(step.trainingSeconds()));
        line.add("tokens_per_second", number(step.stepTokens() / step.stepSeconds()));
        line.add("flops_utilisation", number(step.flopsUtilisation()));
        line.add(
                "native_bytes",
                step.nativeBytes().isPresent()
                        ? new JsonPrimitive(step.nativeBytes().getAsLong())
                        : JsonNull.INSTANCE);
        if (!step.routing().isEmpty()) {
            addRouting(line, step.routing());
        }
        return GSON.toJson(line);
    }

    private static void addRouting(JsonObject line, List<LayerRouting> routing) {
        line.add("layer", array(routing, LayerRouting::layer));
        JsonArray loads = new JsonArray(routing.size());
        for (LayerRouting layer : routing) {
            long[] counts = layer.load().tokensPerExpert();
            JsonArray load = new JsonArray(counts.length);
            for (long count : counts) {
                load.add(count);
            }
            loads.add(load);
        }
        line.add("expert_load", loads);
        line.add("imbalance", array(routing, layer -> layer.load().imbalance()));
        line.add("idle_experts", array(routing, layer -> layer.load().idleExperts()));
        line.add("dropped", array(routing, layer -> layer.load().dropped()));
        line.add("router_entropy", array(routing, LayerRouting::entropy));
        line.add("balance_loss", array(routing, LayerRouting::balanceLoss));
        line.add("z_loss", array(routing, LayerRouting::zLoss));
    }

    private static JsonArray array(List<LayerRouting> routing, ToDoubleFunction<LayerRouting> value) {
        JsonArray array = new JsonArray(routing.size());
        routing.forEach(layer -> array.add(number(value.applyAsDouble(layer))));
        return array;
    }

    /** Whole numbers without a fraction; JSON knows neither NaN nor infinity. */
    private static JsonElement number(double value) {
        if (!Double.isFinite(value)) {
            return JsonNull.INSTANCE;
        }
        return value == Math.rint(value) && Math.abs(value) < 1L << 53
                ? new JsonPrimitive((long) value)
                : new JsonPrimitive(value);
    }

    /** Whether a file begins as every line does, however little of it there is. */
    static boolean beginsLikeOne(Path file) throws IOException {
        byte[] wanted = ("{\"" + STEP + "\":").getBytes(StandardCharsets.UTF_8);
        try (InputStream in = Files.newInputStream(file)) {
            byte[] found = in.readNBytes(wanted.length);
            return Arrays.equals(found, Arrays.copyOf(wanted, found.length));
        }
    }

    /** The step of a line, without reading further than to it; {@link #NO_STEP} if it has none. */
    static long step(String line) {
        try (JsonReader reader = new JsonReader(new StringReader(line))) {
            reader.beginObject();
            while (reader.hasNext()) {
                if (reader.nextName().equals(STEP)) {
                    return reader.nextLong();
                }
                reader.skipValue();
            }
            return NO_STEP;
        } catch (IOException | IllegalStateException | NumberFormatException e) {
            return NO_STEP;
        }
    }

    /** Tells a listener of a line. */
    static void tell(String text, LmTrainingListener listener) {
        try {
            JsonObject line = JsonParser.parseString(text).getAsJsonObject();
            if (line.has(VALIDATION_LOSS)) {
                listener.onEvaluation(new Evaluation(
                        whole(line, STEP), real(get(line, VALIDATION_LOSS)), whole(line, "validation_tokens")));
            } else {
                listener.onStep(step(line));
            }
        } catch (JsonParseException
                | IllegalStateException
                | NumberFormatException
                | UnsupportedOperationException
                | IndexOutOfBoundsException e) {
            throw new IllegalArgumentException(String.valueOf(e.getMessage()), e);
        }
    }

    private static Step step(JsonObject line) {
        JsonElement bytes = get(line, "native_bytes");
        return new Step(
                whole(line, STEP),
                whole(line, "steps"),
                real(get(line, "loss")),
                real(get(line, "aux_loss")),
                real(get(line, "gradient_norm")),
                real(get(line, "learning_rate")),
                whole(line, "tokens"),
                whole(line, "step_tokens"),
                real(get(line, "step_seconds")),
                real(get(line, "seconds")),
                real(get(line, "flops_utilisation")),
                bytes.isJsonNull() ? OptionalLong.empty() : OptionalLong.of(bytes.getAsLong()),
                line.has("layer") ? routing(line) : List.of());
    }

    private static List<LayerRouting> routing(JsonObject line) {
        List<LayerRouting> routing = new ArrayList<>();
        JsonArray layers = get(line, "layer").getAsJsonArray();
        for (int i = 0; i < layers.size(); i++) {
            long[] counts = element(line, "expert_load", i).getAsJsonArray().asList().stream()
                    .mapToLong(JsonElement::getAsLong)
                    .toArray();
            routing.add(new LayerRouting(
                    layers.get(i).getAsInt(),
                    new LoadStatistics(counts, element(line, "dropped", i).getAsLong()),
                    real(element(line, "router_entropy", i)),
                    real(element(line, "balance_loss", i)),
                    real(element(line, "z_loss", i))));
        }
        return routing;
    }

    private static JsonElement element(JsonObject line, String key, int i) {
        return get(line, key).getAsJsonArray().get(i);
    }

    private static JsonElement get(JsonObject line, String key) {
        JsonElement value = line.get(key);
        if (value == null) {
            throw new IllegalArgumentException("it has no " + key);
        }
        return value;
    }

    private static long whole(JsonObject line, String key) {
        return get(line, key).getAsLong();
    }

    private static double real(JsonElement value) {
        return value.isJsonNull() ? Double.NaN : value.getAsDouble();
    }
}
