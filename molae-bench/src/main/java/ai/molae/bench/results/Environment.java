package ai.molae.bench.results;

import ai.molae.djl.files.Shown;
import ai.molae.djl.files.WholeFile;
import ai.molae.djl.json.StrictJson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Where and with what a run was measured, as short texts by name; in a file, a flat JSON object of texts.
 *
 * @param facts in the order in which they are shown
 */
public record Environment(Map<String, String> facts) {

    /** The name of its file in a folder of results. */
    public static final String FILE = "environment.json";

    /** The key of the commit the library was built from. */
    public static final String COMMIT = "commit";

    /** The key of the processor's name. */
    public static final String CPU = "cpu";

    /** The key of the number of threads libtorch computes with. */
    public static final String THREADS = "threads";

    /** The key of the day and time of the run. */
    public static final String DATE = "date";

    /**
     * Copies the facts.
     *
     * @param facts in the order in which they are shown
     */
    public Environment {
        facts = Collections.unmodifiableMap(new LinkedHashMap<>(facts));
    }

    /**
     * Looks around: loads libtorch if it is not yet, and measures the kernels for matrix products if this machine's cache does not know them.
     *
     * @return this process's environment
     */
    public static Environment collect() {
        return new Environment(MachineFacts.all());
    }

    /**
     * A fact.
     *
     * @param key its name
     * @return its text; empty if it is not known
     */
    public String get(String key) {
        return facts.getOrDefault(key, "");
    }

    /**
     * With one fact more.
     *
     * @param key its name
     * @param value its text
     * @return a copy
     */
    public Environment with(String key, String value) {
        Map<String, String> more = new LinkedHashMap<>(facts);
        more.put(key, value);
        return new Environment(more);
    }

    /**
     * As JSON.
     *
     * @return a flat object of texts
     */
    public String json() {
        return new GsonBuilder()
                        .setPrettyPrinting()
                        .disableHtmlEscaping()
                        .create()
                        .toJson(facts) + "\n";
    }

    /**
     * Writes a file.
     *
     * @param file where
     * @throws IOException if it cannot be written
     */
    public void write(Path file) throws IOException {
        WholeFile.write(file, json());
    }

    /**
     * Reads a file.
     *
     * @param file a flat JSON object of texts
     * @return what is in it
     * @throws IOException if it cannot be read or is something else; the message names file and key
     */
    public static Environment read(Path file) throws IOException {
        Map<String, String> facts = new LinkedHashMap<>();
        try {
            for (Map.Entry<String, JsonElement> fact :
                    StrictJson.parse(Results.text(file)).entrySet()) {
                if (!fact.getValue().isJsonPrimitive()) {
                    throw new IOException(file + " should have a text as \"" + Shown.value(fact.getKey()) + "\", found "
                            + Shown.value(fact.getValue().toString()));
                }
                facts.put(fact.getKey(), fact.getValue().getAsString());
            }
        } catch (IllegalArgumentException e) {
            throw new IOException(file + " is not JSON with an object of texts: " + Shown.message(e.getMessage()), e);
        }
        return new Environment(facts);
    }
}
