package ai.molae.djl.hf;

import ai.molae.djl.json.StrictJson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** The golden checkpoints beside these tests: their configs, and the names and shapes in their headers. */
final class Golden {

    static final List<String> CASES = List.of(
            "mixtral-a", "qwen2_moe-a", "qwen3_moe-a", "olmoe-a", "deepseek_v2-a", "deepseek_v2-c", "deepseek_v3-a");

    private Golden() {}

    static String config(String name) {
        try (InputStream in = open(name + "/config.json")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonObject tree(String name) {
        return StrictJson.parse(config(name));
    }

    /** The text of a config with keys changed; a change is {@code key = JSON}, or {@code -key} to remove it. */
    static String config(String name, String... changes) {
        JsonObject json = tree(name);
        for (String change : changes) {
            if (change.startsWith("-")) {
                json.remove(change.substring(1));
            } else {
                String[] parts = change.split("=", 2);
                json.add(
                        parts[0].strip(),
                        StrictJson.parse("{\"value\": " + parts[1] + "}").get("value"));
            }
        }
        return text(json);
    }

    static String text(JsonObject json) {
        return new GsonBuilder().serializeNulls().create().toJson(json);
    }

    /** The changes of a test's row, separated by semicolons. */
    static String configWith(String name, String changes) {
        return config(name, changes.split("\\s*;\\s*"));
    }

    /** Eight bytes with the header's length, least first, then the header. */
    static Map<String, List<Long>> tensors(String name) {
        try (DataInputStream in = new DataInputStream(open(name + "/model.safetensors"))) {
            int length = Math.toIntExact(Long.reverseBytes(in.readLong()));
            JsonObject header = StrictJson.parse(new String(in.readNBytes(length), StandardCharsets.UTF_8));
            Map<String, List<Long>> shapes = new TreeMap<>();
            for (String tensor : header.keySet()) {
                if (!tensor.equals("__metadata__")) {
                    List<Long> shape = new ArrayList<>();
                    header.getAsJsonObject(tensor).getAsJsonArray("shape").forEach(size -> shape.add(size.getAsLong()));
                    shapes.put(tensor, shape);
                }
            }
            return shapes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static InputStream open(String path) {
        return Objects.requireNonNull(Golden.class.getResourceAsStream(path), path);
    }
}
