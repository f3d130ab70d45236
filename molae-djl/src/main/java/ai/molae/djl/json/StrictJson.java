package ai.molae.djl.json;

import ai.molae.djl.files.Shown;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import java.io.EOFException;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.math.BigDecimal;

/**
 * A text that is one JSON object, read to the letter of the standard: a key that stands there twice is an error (Gson's own reader takes the
 * last), and numbers keep every digit.
 */
public final class StrictJson {

    /** How deep objects and lists may nest. */
    public static final int DEEPEST = 100;

    private StrictJson() {}

    /**
     * Parses a text.
     *
     * @param text one object
     * @return the object; its numbers are {@link BigDecimal}s
     * @throws IllegalArgumentException if the text is not one JSON object, a key is repeated, or objects nest more than 100 deep
     */
    public static JsonObject parse(String text) {
        return parse(text, Strictness.STRICT);
    }

    /**
     * Parses a text as forgiving writers make them: comments, single quotes and bare words are allowed; the bare numbers {@code NaN} and
     * {@code Infinity} are texts.
     *
     * @param text one object
     * @return the object; its numbers are {@link BigDecimal}s
     * @throws IllegalArgumentException as {@link #parse} throws
     */
    public static JsonObject parseLenient(String text) {
        return parse(text, Strictness.LENIENT);
    }

    /**
     * Reads one value out of a larger text.
     *
     * @param reader before the value; stands behind it afterwards
     * @return the value; its numbers are {@link BigDecimal}s
     * @throws IllegalArgumentException if a key is repeated, or objects nest more than 100 deep
     * @throws IOException if the text is not JSON
     */
    public static JsonElement read(JsonReader reader) throws IOException {
        return element(reader, "", 0);
    }

    private static JsonObject parse(String text, Strictness strictness) {
        try (JsonReader reader = new JsonReader(new StringReader(text))) {
            reader.setStrictness(strictness);
            JsonElement root = element(reader, "", 0);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw new IllegalArgumentException("text after the end of the JSON object");
            }
            if (!root.isJsonObject()) {
                throw new IllegalArgumentException("the text must be an object, got " + Shown.value(root.toString()));
            }
            return root.getAsJsonObject();
        } catch (MalformedJsonException | EOFException e) {
            throw new IllegalArgumentException("not JSON: " + Shown.value(String.valueOf(e.getMessage())), e);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a string cannot fail to be read
        }
    }

    private static JsonElement element(JsonReader reader, String path, int depth) throws IOException {
        if (depth > DEEPEST) {
            throw new IllegalArgumentException("JSON nested more than " + DEEPEST + " deep at " + Shown.value(path));
        }
        return switch (reader.peek()) {
            case BEGIN_OBJECT -> object(reader, path, depth);
            case BEGIN_ARRAY -> {
                JsonArray array = new JsonArray();
                reader.beginArray();
                while (reader.hasNext()) {
                    array.add(element(reader, path, depth + 1));
                }
                reader.endArray();
                yield array;
            }
            case STRING -> new JsonPrimitive(reader.nextString());
            case NUMBER -> number(reader);
            case BOOLEAN -> new JsonPrimitive(reader.nextBoolean());
            case NULL -> {
                reader.nextNull();
                yield JsonNull.INSTANCE;
            }
            default -> throw new IllegalArgumentException("nothing at " + Shown.value(reader.getPath()));
        };
    }

    private static JsonObject object(JsonReader reader, String path, int depth) throws IOException {
        JsonObject object = new JsonObject();
        reader.beginObject();
        while (reader.hasNext()) {
            String key = reader.nextName();
            if (object.has(key)) {
                throw new IllegalArgumentException("key " + Shown.value(path + key) + " stands there twice");
            }
            object.add(key, element(reader, path + key + ".", depth + 1));
        }
        reader.endObject();
        return object;
    }

    private static JsonPrimitive number(JsonReader reader) throws IOException {
        String path = reader.getPath();
        String digits = reader.nextString();
        try {
            return new JsonPrimitive(new BigDecimal(digits));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "a number out of range at " + Shown.value(path) + ": " + Shown.value(digits), e);
        }
    }
}
