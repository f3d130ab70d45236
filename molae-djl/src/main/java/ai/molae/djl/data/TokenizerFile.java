package ai.molae.djl.data;

import ai.molae.djl.files.Shown;
import ai.molae.djl.json.StrictJson;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** What the native tokenizer does not tell about a {@code tokenizer.json}: how many ids there are, and those of some tokens. */
final class TokenizerFile {

    /** The native library takes minutes over one of a hundred thousand. */
    private static final int LONGEST_ADDED_TOKEN = 1000;

    private final Path file;
    private final Set<String> wanted;
    private final Map<String, Integer> ids = new HashMap<>();
    private final AddedTokens addedTokens = new AddedTokens();
    private int vocabSize;

    private TokenizerFile(Path file, Collection<String> wanted) {
        this.file = file;
        this.wanted = Set.copyOf(wanted);
    }

    /**
     * Reads a file's content, keeping the ids of the wanted tokens only: a vocabulary has hundreds of thousands.
     *
     * @param file for messages
     * @param bytes its content
     * @param wanted the tokens whose ids to keep
     */
    static TokenizerFile read(Path file, byte[] bytes, Collection<String> wanted) throws IOException {
        TokenizerFile contents = new TokenizerFile(file, wanted);
        try (JsonReader json = new JsonReader(new InputStreamReader(new ByteArrayInputStream(bytes), strictUtf8()))) {
            // The native library panics over JSON that is not strict.
            json.setStrictness(Strictness.STRICT);
            contents.read(json);
        } catch (MalformedJsonException
                | EOFException
                | CharacterCodingException
                | IllegalStateException
                | NumberFormatException e) {
            throw new IllegalArgumentException(
                    file + " is no tokenizer.json; is it complete? " + Shown.message(e.getMessage()), e);
        }
        if (contents.vocabSize == 0) {
            throw new IllegalArgumentException(file + " is no tokenizer.json: it has no vocabulary (model.vocab)");
        }
        return contents;
    }

    private static CharsetDecoder strictUtf8() {
        return StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
    }

    /** One more than the highest id. */
    int vocabSize() {
        return vocabSize;
    }

    /** The ids of those wanted tokens that exist. */
    Map<String, Integer> ids() {
        return ids;
    }

    private void read(JsonReader json) throws IOException {
        json.beginObject();
        while (json.hasNext()) {
            String key = json.nextName();
            switch (key) {
                case "added_tokens" -> addedTokens(json);
                case "model" -> model(json);
                default -> {
                    if (TokenizerComponents.isComponent(key)) {
                        JsonElement component = value(json);
                        TokenizerComponents.check(file, key, component);
                        addedTokens.component(key, component);
                    } else {
                        json.skipValue();
                    }
                }
            }
        }
        json.endObject();
        addedTokens.check(file); // the keys come in any order
    }

    private JsonElement value(JsonReader json) throws IOException {
        try {
            return StrictJson.read(json);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + " is no tokenizer.json: " + Shown.message(e.getMessage()), e);
        }
    }

    private void addedTokens(JsonReader json) throws IOException {
        json.beginArray();
        while (json.hasNext()) {
            String token = "";
            int id = -1;
            boolean normalized = false;
            boolean lstrip = false;
            boolean rstrip = false;
            json.beginObject();
            while (json.hasNext()) {
                switch (json.nextName()) {
                    case "content" -> token = json.nextString();
                    case "id" -> id = json.nextInt();
                    case "normalized" -> normalized = json.nextBoolean();
                    case "lstrip" -> lstrip = json.nextBoolean();
                    case "rstrip" -> rstrip = json.nextBoolean();
                    default -> json.skipValue();
                }
            }
            json.endObject();
            if (token.length() > LONGEST_ADDED_TOKEN) {
                throw new IllegalStateException(
                        "an added token has " + token.length() + " characters, the limit is " + LONGEST_ADDED_TOKEN);
            }
            addedTokens.add(token, normalized, lstrip, rstrip);
            add(token, id);
        }
        json.endArray();
    }

    private void model(JsonReader json) throws IOException {
        json.beginObject();
        String type = "";
        JsonElement prefix = JsonNull.INSTANCE;
        while (json.hasNext()) {
            switch (json.nextName()) {
                case "vocab" -> vocabulary(json);
                case "type" -> type = json.nextString();
                case "continuing_subword_prefix" -> prefix = value(json);
                default -> json.skipValue();
            }
        }
        json.endObject();
        TokenizerComponents.checkPrefix(file, type, prefix);
    }

    /** An object of ids, or for unigrams a list of tokens with their scores. */
    private void vocabulary(JsonReader json) throws IOException {
        if (json.peek() == JsonToken.BEGIN_OBJECT) {
            json.beginObject();
            while (json.hasNext()) {
                add(json.nextName(), json.nextInt());
            }
            json.endObject();
            return;
        }
        json.beginArray();
        for (int id = 0; json.hasNext(); id++) {
            json.beginArray();
            add(json.nextString(), id);
            json.skipValue();
            json.endArray();
        }
        json.endArray();
    }

    private void add(String token, int id) {
        if (id < 0 || id == Integer.MAX_VALUE) {
            throw new IllegalStateException("token '" + token + "' has the id " + id);
        }
        vocabSize = Math.max(vocabSize, id + 1);
        if (wanted.contains(token)) {
            ids.put(token, id);
        }
    }
}
