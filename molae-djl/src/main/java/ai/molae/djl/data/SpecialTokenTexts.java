package ai.molae.djl.data;

import com.google.gson.JsonElement;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * How the special tokens of a checkpoint are written, as {@code tokenizer_config.json} says and, where it does not name one,
 * {@code special_tokens_map.json}. A null there means that there is no such token.
 */
final class SpecialTokenTexts {

    static final String CONFIG = "tokenizer_config.json";
    static final String BOS = "bos_token";
    static final String EOS = "eos_token";
    static final String PAD = "pad_token";

    private static final String MAP = "special_tokens_map.json";
    private static final List<String> KEYS =
            List.of(BOS, EOS, PAD, "unk_token", "sep_token", "cls_token", "mask_token");

    private SpecialTokenTexts() {}

    /** The texts by key; a key is absent where there is no such token. */
    static Map<String, String> read(Path folder) throws IOException {
        CheckpointJson config = CheckpointJson.readIfExists(folder.resolve(CONFIG));
        CheckpointJson map = CheckpointJson.readIfExists(folder.resolve(MAP));
        Map<String, String> texts = new TreeMap<>();
        for (String key : KEYS) {
            CheckpointJson json = config.has(key) ? config : map;
            json.value(key).ifPresent(value -> texts.put(key, text(json, key, value)));
        }
        return texts;
    }

    private static String text(CheckpointJson json, String key, JsonElement value) {
        JsonElement text = value.isJsonObject() ? value.getAsJsonObject().get("content") : value;
        if (text == null
                || !text.isJsonPrimitive()
                || !text.getAsJsonPrimitive().isString()) {
            throw json.wrong(key, "a text or an object with the text \"content\"");
        }
        return text.getAsString();
    }
}
