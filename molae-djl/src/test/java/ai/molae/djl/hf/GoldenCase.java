package ai.molae.djl.hf;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A tiny checkpoint with what Hugging Face's own code computed from it. */
public record GoldenCase(String name, Path folder, JsonObject json) {

    public static final List<String> NAMES = List.of(
            "mixtral-a", "qwen2_moe-a", "qwen3_moe-a", "olmoe-a", "deepseek_v2-a", "deepseek_v2-c", "deepseek_v3-a");

    /** All of them, those in three bfloat16 shards too. */
    public static List<String> allNames() {
        List<String> names = new ArrayList<>(NAMES);
        NAMES.stream()
                .filter(name -> Files.exists(folder(name).resolve("bf16-sharded")))
                .forEach(name -> names.add(name + "/bf16-sharded"));
        return names;
    }

    public static Path folder(String name) {
        try {
            return Path.of(GoldenCase.class.getResource(name + "/config.json").toURI())
                    .getParent();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    public static GoldenCase of(String name) {
        Path folder = folder(name);
        try {
            return new GoldenCase(
                    name,
                    folder,
                    new Gson().fromJson(Files.readString(folder.resolve("golden.json")), JsonObject.class));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public int[][] inputIds() {
        return ints(json.getAsJsonArray("input_ids"));
    }

    public double[] doubles(String key) {
        List<Double> flat = new ArrayList<>();
        flatten(json.get(key), flat);
        return flat.stream().mapToDouble(Double::doubleValue).toArray();
    }

    static double[] flat(JsonElement element) {
        List<Double> flat = new ArrayList<>();
        flatten(element, flat);
        return flat.stream().mapToDouble(Double::doubleValue).toArray();
    }

    Map<String, Double> numbers(String key) {
        Map<String, Double> numbers = new TreeMap<>();
        json.getAsJsonObject(key)
                .entrySet()
                .forEach(e -> numbers.put(e.getKey(), e.getValue().getAsDouble()));
        return numbers;
    }

    boolean has(String key) {
        return json.has(key) && !json.get(key).isJsonNull();
    }

    static int[][] ints(JsonArray rows) {
        int[][] ints = new int[rows.size()][];
        for (int i = 0; i < ints.length; i++) {
            ints[i] = row(rows.get(i).getAsJsonArray());
        }
        return ints;
    }

    static int[] row(JsonArray row) {
        int[] ints = new int[row.size()];
        for (int i = 0; i < ints.length; i++) {
            ints[i] = row.get(i).getAsInt();
        }
        return ints;
    }

    private static void flatten(JsonElement element, List<Double> into) {
        if (element.isJsonArray()) {
            element.getAsJsonArray().forEach(each -> flatten(each, into));
        } else {
            into.add(element.getAsDouble());
        }
    }
}
