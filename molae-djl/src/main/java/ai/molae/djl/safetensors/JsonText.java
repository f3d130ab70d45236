package ai.molae.djl.safetensors;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A JSON object read strictly and in one pass, so that neither depth nor numbers of the text cost more than its size. Every fault is a
 * {@link SafetensorsException}.
 */
final class JsonText {

    private final Path file;
    private final JsonReader reader;

    private JsonText(Path file, JsonReader reader) {
        this.file = file;
        this.reader = reader;
    }

    /** Reads what stands at a key. */
    interface Member {
        void read(String key) throws IOException;
    }

    /** Reads the whole text. */
    interface Body<T> {
        T read(JsonText json) throws IOException;
    }

    /**
     * Reads a text.
     *
     * @param file for messages
     * @param what what the text is, for messages
     * @param utf8 the text
     * @param body reads one value
     */
    static <T> T read(Path file, String what, byte[] utf8, Body<T> body) throws SafetensorsException {
        JsonReader reader = new JsonReader(new InputStreamReader(
                new ByteArrayInputStream(utf8),
                StandardCharsets.UTF_8
                        .newDecoder()
                        .onMalformedInput(CodingErrorAction.REPORT)
                        .onUnmappableCharacter(CodingErrorAction.REPORT)));
        reader.setStrictness(Strictness.STRICT);
        try {
            T value = body.read(new JsonText(file, reader));
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw new SafetensorsException(file, what + " goes on after the end of its JSON object");
            }
            return value;
        } catch (SafetensorsException e) {
            throw e;
        } catch (CharacterCodingException e) {
            throw new SafetensorsException(file, what + " is not UTF-8: " + e.getMessage(), e);
        } catch (MalformedJsonException | EOFException e) {
            throw new SafetensorsException(file, what + " is not JSON: " + reason(e), e);
        } catch (IOException e) {
            throw new SafetensorsException(file, what + " cannot be read: " + reason(e), e);
        }
    }

    /** Gson gives advice for its own caller, and in a second line a link to its help. */
    private static String reason(IOException e) {
        String line = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
        return TensorSpec.shown(line.replaceFirst("^Use JsonReader.* to accept malformed JSON", "malformed"));
    }

    /** Reads an object, refusing repeated keys. */
    void object(String where, Member member) throws IOException {
        expect(JsonToken.BEGIN_OBJECT, where, "an object");
        reader.beginObject();
        Set<String> keys = new HashSet<>();
        while (reader.hasNext()) {
            String key = reader.nextName();
            if (!keys.add(key)) {
                throw fault(where + " has the key " + TensorSpec.shown(key) + " twice");
            }
            member.read(key);
        }
        reader.endObject();
    }

    String string(String where) throws IOException {
        expect(JsonToken.STRING, where, "a string");
        return reader.nextString();
    }

    List<Long> integers(String where) throws IOException {
        expect(JsonToken.BEGIN_ARRAY, where, "a list of integers");
        reader.beginArray();
        List<Long> list = new ArrayList<>();
        while (reader.hasNext()) {
            list.add(integer(where));
        }
        reader.endArray();
        return list;
    }

    private long integer(String where) throws IOException {
        expect(JsonToken.NUMBER, where, "integers");
        String digits = reader.nextString();
        try {
            if (isNatural(digits)) {
                return Long.parseLong(digits);
            }
        } catch (NumberFormatException e) {
            // too many digits; told below
        }
        throw fault(where + " must be integers from 0 to 2^63 - 1, got " + TensorSpec.shown(digits));
    }

    private static boolean isNatural(String digits) {
        for (int i = 0; i < digits.length(); i++) {
            if (digits.charAt(i) < '0' || digits.charAt(i) > '9') {
                return false;
            }
        }
        return true;
    }

    void skip() throws IOException {
        reader.skipValue();
    }

    SafetensorsException fault(String message) {
        return new SafetensorsException(file, message);
    }

    private void expect(JsonToken token, String where, String expected) throws IOException {
        JsonToken found = reader.peek();
        if (found != token) {
            throw fault(where + " must be " + expected + ", found " + found);
        }
    }
}
