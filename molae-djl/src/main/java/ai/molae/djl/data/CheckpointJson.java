package ai.molae.djl.data;

import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.json.StrictJson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.function.Predicate;

/**
 * A JSON object that Hugging Face's libraries wrote into a checkpoint folder. They write many keys, so nobody has to ask for all; a key whose
 * value is null counts as absent. A value that is there and of another type than asked for is an {@link IllegalArgumentException} with file,
 * key and value.
 */
public final class CheckpointJson {

    private final Path file;
    private final JsonObject object;

    private CheckpointJson(Path file, JsonObject object) {
        this.file = file;
        this.object = object;
    }

    /**
     * Reads a file that must be there.
     *
     * @param file a JSON file
     * @return its object
     * @throws IOException if the file is missing or cannot be read
     * @throws IllegalArgumentException if it is not UTF-8 text with one JSON object
     */
    public static CheckpointJson read(Path file) throws IOException {
        String text;
        try {
            text = SmallText.read(file, SmallText.LISTS);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(file + " is not JSON: it is no text in UTF-8; is it complete?", e);
        }
        try {
            // Lenient, because Python writes Infinity and NaN.
            return new CheckpointJson(file, StrictJson.parseLenient(text));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    file + " is not JSON; is it complete? It must hold a JSON object: " + Shown.message(e.getMessage()),
                    e);
        }
    }

    /**
     * Reads a file that need not be there.
     *
     * @param file a JSON file, or no file
     * @return its object, an empty one if there is no file
     * @throws IOException if the file cannot be read
     * @throws IllegalArgumentException if it is not UTF-8 text with one JSON object
     */
    public static CheckpointJson readIfExists(Path file) throws IOException {
        return Files.exists(file) ? read(file) : new CheckpointJson(file, new JsonObject());
    }

    /**
     * Where the object comes from.
     *
     * @return the file
     */
    public Path file() {
        return file;
    }

    /**
     * Whether a key is there, be it with null.
     *
     * @param key the key
     * @return true if it is
     */
    public boolean has(String key) {
        return object.has(key);
    }

    /**
     * A value of any type.
     *
     * @param key the key
     * @return its value, empty if absent or null
     */
    public Optional<JsonElement> value(String key) {
        return Optional.ofNullable(object.get(key)).filter(value -> !value.isJsonNull());
    }

    /**
     * A truth value.
     *
     * @param key the key
     * @return its value, empty if absent or null
     * @throws IllegalArgumentException if it is something else
     */
    public Optional<Boolean> bool(String key) {
        return value(key).map(value -> primitive(value, JsonPrimitive::isBoolean)
                .orElseThrow(() -> wrong(key, "true or false"))
                .getAsBoolean());
    }

    /**
     * A text.
     *
     * @param key the key
     * @return its value, empty if absent or null
     * @throws IllegalArgumentException if it is something else
     */
    public Optional<String> string(String key) {
        return value(key).map(value -> primitive(value, JsonPrimitive::isString)
                .orElseThrow(() -> wrong(key, "a text"))
                .getAsString());
    }

    /**
     * A number.
     *
     * @param key the key
     * @return its value, empty if absent or null
     * @throws IllegalArgumentException if it is something else
     */
    public OptionalDouble number(String key) {
        Optional<JsonPrimitive> number = value(key)
                .map(value -> primitive(value, JsonPrimitive::isNumber).orElseThrow(() -> wrong(key, "a number")));
        return number.isPresent() ? OptionalDouble.of(number.get().getAsDouble()) : OptionalDouble.empty();
    }

    /**
     * A whole number.
     *
     * @param key the key
     * @return its value, empty if absent or null
     * @throws IllegalArgumentException if it is something else, or beyond 32 bits
     */
    public OptionalInt integer(String key) {
        Optional<JsonElement> value = value(key);
        return value.isPresent()
                ? OptionalInt.of(integer(value.get()).orElseThrow(() -> wrong(key, "an integer of 32 bits")))
                : OptionalInt.empty();
    }

    /**
     * A whole number or a list of them.
     *
     * @param key the key
     * @return the values, none if absent or null
     * @throws IllegalArgumentException if it is something else
     */
    public List<Integer> integers(String key) {
        List<Integer> integers = new ArrayList<>();
        value(key)
                .ifPresent(
                        value -> (value.isJsonArray() ? value.getAsJsonArray().asList() : List.of(value))
                                .forEach(element -> integers.add(integer(element)
                                        .orElseThrow(() -> wrong(key, "an integer of 32 bits or a list of them")))));
        return integers;
    }

    /**
     * The fault of a value.
     *
     * @param key the key
     * @param expected what the value should be
     * @return an exception, not thrown
     */
    public IllegalArgumentException wrong(String key, String expected) {
        return new IllegalArgumentException(
                file + ": " + key + " must be " + expected + ", got " + Shown.value(String.valueOf(object.get(key))));
    }

    private static Optional<JsonPrimitive> primitive(JsonElement value, Predicate<JsonPrimitive> type) {
        return Optional.of(value)
                .filter(JsonElement::isJsonPrimitive)
                .map(JsonElement::getAsJsonPrimitive)
                .filter(type);
    }

    private static Optional<Integer> integer(JsonElement value) {
        return primitive(value, JsonPrimitive::isNumber).flatMap(number -> {
            try {
                return Optional.of(new BigDecimal(number.getAsString()).intValueExact());
            } catch (ArithmeticException | NumberFormatException e) { // a fraction, too large, or NaN
                return Optional.empty();
            }
        });
    }
}
