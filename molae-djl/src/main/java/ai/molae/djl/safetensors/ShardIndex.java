package ai.molae.djl.safetensors;

import com.google.gson.stream.JsonWriter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** {@code model.safetensors.index.json}: which shard holds which tensor. */
final class ShardIndex {

    static final String FILE_NAME = "model.safetensors.index.json";
    static final String SUFFIX = ".safetensors";

    private static final String WEIGHT_MAP = "weight_map";

    private ShardIndex() {}

    /** Reads an index: file names by tensor, in the order of the text; every name is that of a file in the same folder. */
    static Map<String, String> read(Path file) throws IOException {
        long size = Files.size(file);
        if (size > Header.MAX_BYTES) {
            throw new SafetensorsException(
                    file, "an index of " + size + " bytes is over the limit of " + Header.MAX_BYTES);
        }
        Map<String, String> shards = new LinkedHashMap<>();
        JsonText.read(file, "the index", Files.readAllBytes(file), text -> {
            boolean[] found = new boolean[1];
            text.object("the index", key -> {
                if (key.equals(WEIGHT_MAP)) {
                    found[0] = true;
                    text.object(WEIGHT_MAP, tensor -> shards.put(tensor, shard(text, tensor)));
                } else {
                    text.skip();
                }
            });
            if (!found[0]) {
                throw text.fault("the index has no " + WEIGHT_MAP);
            }
            return shards;
        });
        return Collections.unmodifiableMap(shards);
    }

    private static String shard(JsonText text, String tensor) throws IOException {
        String name = text.string(WEIGHT_MAP + "." + TensorSpec.shown(tensor));
        boolean plain = name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
        if (!plain || !name.endsWith(SUFFIX)) {
            throw text.fault("tensor " + TensorSpec.shown(tensor) + " is said to be in " + TensorSpec.shown(name)
                    + "; a shard is a " + SUFFIX + " file beside the index");
        }
        return name;
    }

    /** Writes an index as Hugging Face does, names sorted. */
    static String text(long totalBytes, Map<String, String> shards) {
        StringWriter text = new StringWriter();
        try (JsonWriter json = new JsonWriter(text)) {
            json.setIndent("  ");
            json.beginObject();
            json.name("metadata").beginObject();
            json.name("total_size").value(totalBytes).endObject();
            json.name(WEIGHT_MAP).beginObject();
            for (Map.Entry<String, String> entry : new TreeMap<>(shards).entrySet()) {
                json.name(entry.getKey()).value(entry.getValue());
            }
            json.endObject().endObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a string cannot fail to be written
        }
        return text + "\n";
    }
}
