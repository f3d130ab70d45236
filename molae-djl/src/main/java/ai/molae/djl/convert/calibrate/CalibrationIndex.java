package ai.molae.djl.convert.calibrate;

import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.json.StrictJson;
import ai.molae.spec.MoeSpec;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What {@code calibration.json} says.
 *
 * @param tokens T
 * @param windowLength tokens of a window
 * @param settings which moments there are
 * @param numLayers layers of the model, dense ones too
 * @param source the model
 * @param layers the MoE layers
 */
record CalibrationIndex(
        long tokens,
        int windowLength,
        MomentSettings settings,
        int numLayers,
        SourceFingerprint source,
        SortedMap<Integer, Entry> layers) {

    static final String FILE = "calibration.json";

    private static final int FORMAT = 1;

    /**
     * A MoE layer.
     *
     * @param file the name of its file
     * @param bytes how long that is
     * @param checksum CRC-32C of it
     * @param spec the layer
     */
    record Entry(String file, long bytes, long checksum, MoeSpec spec) {}

    CalibrationIndex {
        layers = Collections.unmodifiableSortedMap(new TreeMap<>(layers));
    }

    String toJson() {
        JsonObject root = new JsonObject();
        root.addProperty("format", FORMAT);
        root.addProperty("tokens", tokens);
        root.addProperty("window_length", windowLength);
        root.addProperty("expert_inputs", settings.expertInputs());
        root.addProperty("inner_moments", settings.inner().name());
        root.addProperty("num_layers", numLayers);
        JsonObject model = new JsonObject();
        model.addProperty("config_sha256", source.configHash());
        JsonObject sizes = new JsonObject();
        source.fileSizes().forEach(sizes::addProperty);
        model.add("file_sizes", sizes);
        JsonObject samples = new JsonObject();
        source.fileSamples().forEach(samples::addProperty);
        model.add("file_samples_sha256", samples);
        root.add("source", model);
        JsonArray entries = new JsonArray();
        layers.forEach((layer, entry) -> {
            JsonObject object = new JsonObject();
            object.addProperty("layer", layer);
            object.addProperty("file", entry.file());
            object.addProperty("bytes", entry.bytes());
            object.addProperty("crc32c", entry.checksum());
            object.add("spec", StrictJson.parse(SpecJson.toJson(entry.spec())));
            entries.add(object);
        });
        root.add("moe_layers", entries);
        return new GsonBuilder().setPrettyPrinting().create().toJson(root) + "\n";
    }

    /**
     * Reads the file.
     *
     * @param folder where it is
     * @return what it says
     * @throws IOException if it cannot be read, or says something else
     */
    static CalibrationIndex read(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new IOException(folder + " is no calibration: it has no " + FILE);
        }
        try {
            return parse(StrictJson.parse(SmallText.read(file, SmallText.LISTS)));
        } catch (IllegalArgumentException
                | IllegalStateException
                | CharacterCodingException
                | ArithmeticException
                | UnsupportedOperationException e) {
            throw new IOException(file + " is damaged: " + Shown.message(e.getMessage()) + "; calibrate anew", e);
        }
    }

    private static CalibrationIndex parse(JsonObject root) {
        long format = number(root, "format");
        if (format != FORMAT) {
            throw new IllegalArgumentException("format = " + format + ", this version reads format " + FORMAT);
        }
        MomentSettings settings = new MomentSettings(
                get(root, "expert_inputs").getAsBoolean(),
                InnerMoments.valueOf(get(root, "inner_moments").getAsString()));
        JsonObject model = get(root, "source").getAsJsonObject();
        SortedMap<String, Long> sizes = new TreeMap<>();
        JsonObject fileSizes = get(model, "file_sizes").getAsJsonObject();
        fileSizes.keySet().forEach(name -> sizes.put(name, number(fileSizes, name)));
        SortedMap<String, String> samples = new TreeMap<>();
        JsonObject fileSamples = get(model, "file_samples_sha256").getAsJsonObject();
        fileSamples
                .keySet()
                .forEach(name -> samples.put(name, get(fileSamples, name).getAsString()));
        SortedMap<Integer, Entry> layers = new TreeMap<>();
        for (JsonElement element : get(root, "moe_layers").getAsJsonArray()) {
            JsonObject object = element.getAsJsonObject();
            int layer = Math.toIntExact(number(object, "layer"));
            String name = get(object, "file").getAsString();
            if (!name.equals(LayerFile.name(layer))) {
                throw new IllegalArgumentException("layer " + layer + " is said to be in " + Shown.value(name)
                        + ", its file is " + LayerFile.name(layer));
            }
            layers.put(
                    layer,
                    new Entry(
                            name,
                            number(object, "bytes"),
                            number(object, "crc32c"),
                            SpecJson.parseMoe(get(object, "spec").toString())));
        }
        return new CalibrationIndex(
                number(root, "tokens"),
                Math.toIntExact(number(root, "window_length")),
                settings,
                Math.toIntExact(number(root, "num_layers")),
                new SourceFingerprint(get(model, "config_sha256").getAsString(), sizes, samples),
                layers);
    }

    private static JsonElement get(JsonObject object, String key) {
        JsonElement value = object.get(key);
        if (value == null) {
            throw new IllegalArgumentException("there is no " + key);
        }
        return value;
    }

    private static long number(JsonObject object, String key) {
        return get(object, key).getAsBigDecimal().longValueExact();
    }
}
