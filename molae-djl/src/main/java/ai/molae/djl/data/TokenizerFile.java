package ai.molae.djl.data;

import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import java.io.EOFException;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** What the native tokenizer does not tell about a {@code tokenizer.json}: how many ids there are, and those of some tokens. */
final class TokenizerFile {

    private final Set<String> wanted;
    private final Map<String, Integer> ids = new HashMap<>();
    private int vocabSize;

    private TokenizerFile(Collection<String> wanted) {
        this.wanted = Set.copyOf(wanted);
    }

    /** Reads a file, keeping the ids of the wanted tokens only: a vocabulary has hundreds of thousands. */
    static TokenizerFile read(Path file, Collection<String> wanted) throws IOException {
        TokenizerFile contents = new TokenizerFile(wanted);
        try (Reader text = Files.newBufferedReader(file);
                JsonReader json = new JsonReader(text)) {
            contents.read(json);
        } catch (MalformedJsonException
                | EOFException
                | CharacterCodingException
                | IllegalStateException
                | NumberFormatException e) {
            throw new IllegalArgumentException(file + " is no tokenizer.json; is it complete? " + e.getMessage(), e);
        }
        if (contents.vocabSize == 0) {
            throw new IllegalArgumentException(file + " is no tokenizer.json: it has no vocabulary (model.vocab)");
        }
        return contents;
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
            switch (json.nextName()) {
                case "added_tokens" -> addedTokens(json);
                case "model" -> model(json);
                default -> json.skipValue();
            }
        }
        json.endObject();
    }

    private void addedTokens(JsonReader json) throws IOException {
        json.beginArray();
        while (json.hasNext()) {
            String token = "";
            int id = -1;
            json.beginObject();
            while (json.hasNext()) {
                switch (json.nextName()) {
                    case "content" -> token = json.nextString();
                    case "id" -> id = json.nextInt();
                    default -> json.skipValue();
                }
            }
            json.endObject();
            add(token, id);
        }
        json.endArray();
    }

    private void model(JsonReader json) throws IOException {
        json.beginObject();
        while (json.hasNext()) {
            if (json.nextName().equals("vocab")) {
                vocabulary(json);
            } else {
                json.skipValue();
            }
        }
        json.endObject();
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
        if (id < 0) {
            throw new IllegalStateException("token '" + token + "' has the id " + id);
        }
        vocabSize = Math.max(vocabSize, id + 1);
        if (wanted.contains(token)) {
            ids.put(token, id);
        }
    }
}
