package ai.molae.djl.data;

import ai.molae.djl.files.WholeFile;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Path;

/**
 * A {@link ByteTokenizer} in Hugging Face's file format: byte-pair encoding without a merge. The format writes a byte as a printable character, as
 * GPT-2 did: itself where that is one in Latin-1, the others in order from U+0100 on.
 */
final class ByteTokenizerFiles {

    private static final String END_OF_TEXT = "<|endoftext|>";
    private static final char FIRST_STAND_IN = 0x100;

    private ByteTokenizerFiles() {}

    /** Writes the three files. */
    static void write(Path folder) throws IOException {
        JsonObject names = new JsonObject();
        names.addProperty(SpecialTokenTexts.EOS, END_OF_TEXT);
        JsonObject generation = new JsonObject();
        generation.addProperty("eos_token_id", 0);
        write(folder, "tokenizer.json", tokenizer());
        write(folder, SpecialTokenTexts.CONFIG, names);
        write(folder, "generation_config.json", generation);
    }

    private static void write(Path folder, String name, JsonObject json) throws IOException {
        String text = new GsonBuilder()
                .setPrettyPrinting()
                .serializeNulls()
                .disableHtmlEscaping()
                .create()
                .toJson(json);
        WholeFile.write(folder.resolve(name), text + "\n");
    }

    private static JsonObject tokenizer() {
        JsonObject json = new JsonObject();
        json.addProperty("version", "1.0");
        json.add("truncation", JsonNull.INSTANCE);
        json.add("padding", JsonNull.INSTANCE);
        json.add("added_tokens", list(endOfText()));
        json.add("normalizer", JsonNull.INSTANCE);
        json.add("pre_tokenizer", byteLevel());
        json.add("post_processor", JsonNull.INSTANCE);
        json.add("decoder", byteLevel());
        JsonObject model = new JsonObject();
        model.addProperty("type", "BPE");
        model.add("unk_token", JsonNull.INSTANCE);
        model.add("vocab", vocabulary());
        model.add("merges", new JsonArray());
        json.add("model", model);
        return json;
    }

    private static JsonObject vocabulary() {
        JsonObject vocabulary = new JsonObject();
        vocabulary.addProperty(END_OF_TEXT, 0);
        char standIn = FIRST_STAND_IN + 1; // that of byte 0, which is the end of text, is left out
        for (int value = 1; value < ByteTokenizer.VOCAB_SIZE; value++) {
            vocabulary.addProperty(String.valueOf(isPrintable(value) ? (char) value : standIn++), value);
        }
        return vocabulary;
    }

    /** Whether Latin-1 has a visible character of this number; 0xAD, the soft hyphen, is none. */
    private static boolean isPrintable(int value) {
        return (value > ' ' && value < 0x7F) || (value > 0xA0 && value != 0xAD);
    }

    private static JsonObject endOfText() {
        JsonObject token = new JsonObject();
        token.addProperty("id", 0);
        token.addProperty("content", END_OF_TEXT);
        for (String no : new String[] {"single_word", "lstrip", "rstrip", "normalized"}) {
            token.addProperty(no, false);
        }
        token.addProperty("special", true);
        return token;
    }

    private static JsonObject byteLevel() {
        JsonObject step = new JsonObject();
        step.addProperty("type", "ByteLevel");
        for (String no : new String[] {"add_prefix_space", "trim_offsets", "use_regex"}) {
            step.addProperty(no, false);
        }
        return step;
    }

    private static JsonArray list(JsonElement only) {
        JsonArray list = new JsonArray();
        list.add(only);
        return list;
    }
}
