package ai.molae.bench.results;

import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.Strictness;
import com.google.gson.TypeAdapter;
import com.google.gson.stream.JsonReader;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** Reads JMH's JSON, strictly: what is not as JMH writes it is an error that names its place. */
public final class Results {

    /** The name of the file in a folder of results. */
    public static final String FILE = "jmh.json";

    private static final Map<String, Double> TO_MILLISECONDS =
            Map.of("s/op", 1e3, "ms/op", 1.0, "us/op", 1e-3, "ns/op", 1e-6, "min/op", 6e4);

    private final String source;

    private Results(String source) {
        this.source = source;
    }

    /**
     * Reads a file.
     *
     * @param file as JMH writes it with {@code -rf json}
     * @return the results in the file's order
     * @throws IOException if it cannot be read, or is not what JMH writes; the message names the file and the place
     */
    public static List<Result> read(Path file) throws IOException {
        return parse(text(file), file.toString());
    }

    /** The text of a file; faults are IOExceptions that name it. */
    static String text(Path file) throws IOException {
        try {
            return SmallText.read(file, SmallText.LISTS);
        } catch (CharacterCodingException e) {
            throw new IOException(file + " is not text in UTF-8", e);
        } catch (IllegalArgumentException e) {
            throw new IOException(String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * Reads a text.
     *
     * @param json what JMH wrote
     * @param source where it is from, for messages
     * @return the results in the text's order
     * @throws IOException if it is not what JMH writes
     */
    public static List<Result> parse(String json, String source) throws IOException {
        return new Results(source).all(json);
    }

    private List<Result> all(String json) throws IOException {
        JsonElement root = tree(json);
        if (!root.isJsonArray()) {
            throw wrong("$", "an array of results", root);
        }
        List<Result> results = new ArrayList<>();
        for (JsonElement element : root.getAsJsonArray()) {
            String place = "$[" + results.size() + "]";
            results.add(result(object(element, place), place));
        }
        return List.copyOf(results);
    }

    private JsonElement tree(String json) throws IOException {
        TypeAdapter<JsonElement> adapter = new Gson().getAdapter(JsonElement.class);
        try (JsonReader reader = new JsonReader(new StringReader(json))) {
            reader.setStrictness(Strictness.STRICT);
            JsonElement root = adapter.read(reader);
            if (reader.peek() != com.google.gson.stream.JsonToken.END_DOCUMENT) {
                throw new IOException(source + " goes on after its end at " + Shown.value(reader.getPath()));
            }
            return root;
        } catch (JsonParseException | IOException e) {
            throw new IOException(
                    source + " is not JSON as JMH writes it: " + Shown.message(e.getMessage())
                            + "; was the run stopped while it wrote?",
                    e);
        }
    }

    private Result result(JsonObject object, String place) throws IOException {
        String benchmark = text(member(object, "benchmark", place), place + ".benchmark");
        SortedMap<String, String> params = new TreeMap<>();
        if (object.has("params")) { // JMH writes none for a benchmark without parameters
            for (Map.Entry<String, JsonElement> param :
                    object(object.get("params"), place + ".params").entrySet()) {
                params.put(param.getKey(), text(param.getValue(), place + ".params." + param.getKey()));
            }
        }
        String primaryPlace = place + ".primaryMetric";
        JsonObject primary = object(member(object, "primaryMetric", place), primaryPlace);
        String unit = text(member(primary, "scoreUnit", primaryPlace), primaryPlace + ".scoreUnit");
        double factor = TO_MILLISECONDS.getOrDefault(unit, 1.0);
        List<List<Double>> forks = raw(primary, factor, primaryPlace);
        Map<String, Double> metrics = new LinkedHashMap<>();
        if (object.has("secondaryMetrics")) {
            for (Map.Entry<String, JsonElement> metric : object(
                            object.get("secondaryMetrics"), place + ".secondaryMetrics")
                    .entrySet()) {
                String metricPlace = place + ".secondaryMetrics." + metric.getKey();
                List<Double> values = raw(object(metric.getValue(), metricPlace), 1, metricPlace).stream()
                        .flatMap(List::stream)
                        .toList();
                metrics.put(metric.getKey(), Quartiles.of(values).median());
            }
        }
        return new Result(
                benchmark, params, forks, TO_MILLISECONDS.containsKey(unit) ? Result.MILLISECONDS : unit, metrics);
    }

    /** The raw values of every process; JMH leaves the array out or empty where there are none. */
    private List<List<Double>> raw(JsonObject metric, double factor, String place) throws IOException {
        List<List<Double>> forks = new ArrayList<>();
        if (!metric.has("rawData")) {
            return forks;
        }
        String dataPlace = place + ".rawData";
        for (JsonElement fork : array(metric.get("rawData"), dataPlace)) {
            String forkPlace = dataPlace + "[" + forks.size() + "]";
            List<Double> values = new ArrayList<>();
            for (JsonElement value : array(fork, forkPlace)) {
                double number = number(value, forkPlace + "[" + values.size() + "]");
                values.add(number * factor);
            }
            forks.add(values);
        }
        return forks;
    }

    private JsonElement member(JsonObject object, String name, String place) throws IOException {
        JsonElement member = object.get(name);
        if (member == null) {
            throw new IOException(source + " has no \"" + name + "\" at " + Shown.value(place));
        }
        return member;
    }

    private JsonObject object(JsonElement element, String place) throws IOException {
        if (!element.isJsonObject()) {
            throw wrong(place, "an object", element);
        }
        return element.getAsJsonObject();
    }

    private List<JsonElement> array(JsonElement element, String place) throws IOException {
        if (!element.isJsonArray()) {
            throw wrong(place, "an array", element);
        }
        return element.getAsJsonArray().asList();
    }

    private String text(JsonElement element, String place) throws IOException {
        if (!element.isJsonPrimitive() || !element.getAsJsonPrimitive().isString()) {
            throw wrong(place, "a text", element);
        }
        return element.getAsString();
    }

    /** JMH writes what is not finite as a text, "NaN". */
    private double number(JsonElement element, String place) throws IOException {
        if (element.isJsonPrimitive()
                && (element.getAsJsonPrimitive().isNumber()
                        || element.getAsString().equals("NaN"))) {
            return element.getAsDouble();
        }
        throw wrong(place, "a number", element);
    }

    private IOException wrong(String place, String expected, JsonElement found) {
        String text = found.toString();
        return new IOException(source + " should have " + expected + " at " + Shown.value(place) + ", found "
                + (text.length() > 60 ? text.substring(0, 60) + "…" : text));
    }
}
