package ai.molae.djl.json;

import ai.molae.djl.files.Shown;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.Supplier;

/**
 * A JSON object read strictly: every fault is an {@link IllegalArgumentException} that names the key with its path, the value and what was
 * expected, and {@link #build} refuses keys that nobody asked for. For files of the project's own.
 */
public final class JsonFields {

    private final String path;
    private final JsonObject object;
    private final Set<String> read = new TreeSet<>();

    private JsonFields(String path, JsonObject object) {
        this.path = path;
        this.object = object;
    }

    /**
     * Parses a text that is one object.
     *
     * @param text JSON
     * @return its fields
     * @throws IllegalArgumentException as {@link StrictJson#parse} throws
     */
    public static JsonFields parse(String text) {
        return of("", StrictJson.parse(text));
    }

    /**
     * The fields of an object.
     *
     * @param path where it stands, for messages; empty or ending with a dot
     * @param object the object
     * @return its fields
     */
    public static JsonFields of(String path, JsonObject object) {
        return new JsonFields(path, object);
    }

    /**
     * Whether there is a key. Asking does not count as reading.
     *
     * @param key the key
     * @return true if it is there
     */
    public boolean has(String key) {
        return object.has(key);
    }

    /**
     * An integer.
     *
     * @param key its key
     * @return the value
     * @throws IllegalArgumentException if it is missing or no integer of 32 bits
     */
    public int integer(String key) {
        return asInt(path + key, value(key));
    }

    /**
     * A number.
     *
     * @param key its key
     * @return the value, finite
     * @throws IllegalArgumentException if it is missing, no number or out of the range of double
     */
    public double number(String key) {
        JsonElement value = value(key);
        check(isNumber(value), path + key, "a number", value);
        double number = value.getAsDouble();
        check(Double.isFinite(number), path + key, "a number in the range of double", value);
        return number;
    }

    /**
     * A number that may be unknown.
     *
     * @param key its key
     * @return the value; NaN for null
     * @throws IllegalArgumentException if it is missing, neither a number nor null, or out of the range of double
     */
    public double numberOrNull(String key) {
        return value(key).isJsonNull() ? Double.NaN : number(key);
    }

    /**
     * A text.
     *
     * @param key its key
     * @return the value
     * @throws IllegalArgumentException if it is missing or no text
     */
    public String string(String key) {
        return asString(path + key, value(key));
    }

    /**
     * A list of texts.
     *
     * @param key its key
     * @return the values
     * @throws IllegalArgumentException if it is missing, no list, or has an element that is no text
     */
    public List<String> strings(String key) {
        List<String> list = new ArrayList<>();
        for (JsonElement element : array(key)) {
            list.add(asString(path + key + "[" + list.size() + "]", element));
        }
        return list;
    }

    /**
     * An object of another reader's.
     *
     * @param key its key
     * @param reader is given the object's path, which ends with a dot, and the object
     * @param <T> what it makes
     * @return what it made
     * @throws IllegalArgumentException if it is missing or no object, or the reader throws one
     */
    public <T> T tree(String key, BiFunction<String, JsonObject, T> reader) {
        return reader.apply(path + key + ".", asObject(path + key, value(key)));
    }

    /**
     * Reads over what is there for people only.
     *
     * @param key a key that may be missing
     */
    public void skip(String key) {
        read.add(key);
    }

    /**
     * A truth value.
     *
     * @param key its key
     * @return the value
     * @throws IllegalArgumentException if it is missing or neither true nor false
     */
    public boolean bool(String key) {
        JsonElement value = value(key);
        check(value.isJsonPrimitive() && value.getAsJsonPrimitive().isBoolean(), path + key, "true or false", value);
        return value.getAsBoolean();
    }

    /**
     * A constant by its name.
     *
     * @param key the key of the name
     * @param names every constant by its name
     * @param <E> the constants' type
     * @return the constant
     * @throws IllegalArgumentException if the key is missing or the name unknown
     */
    public <E> E constant(String key, Map<String, E> names) {
        JsonElement value = value(key);
        E constant = isString(value) ? names.get(value.getAsString()) : null;
        if (constant == null) {
            throw wrong(path + key, "one of " + new TreeMap<>(names).keySet(), value);
        }
        return constant;
    }

    /** Whether the value is this word. */
    boolean is(String key, String word) {
        JsonElement value = value(key);
        return isString(value) && value.getAsString().equals(word);
    }

    /**
     * An object.
     *
     * @param key its key
     * @return its fields
     * @throws IllegalArgumentException if it is missing or no object
     */
    public JsonFields object(String key) {
        return new JsonFields(path + key + ".", asObject(path + key, value(key)));
    }

    Optional<JsonFields> optionalObject(String key) {
        return has(key) ? Optional.of(object(key)) : Optional.empty();
    }

    List<Integer> integers(String key) {
        List<Integer> list = new ArrayList<>();
        for (JsonElement element : array(key)) {
            list.add(asInt(path + key + "[" + list.size() + "]", element));
        }
        return list;
    }

    /**
     * A list of objects.
     *
     * @param key its key
     * @return the fields of each
     * @throws IllegalArgumentException if it is missing, no list, or has an element that is no object
     */
    public List<JsonFields> objects(String key) {
        List<JsonFields> list = new ArrayList<>();
        for (JsonElement element : array(key)) {
            String at = path + key + "[" + list.size() + "]";
            list.add(new JsonFields(at + ".", asObject(at, element)));
        }
        return list;
    }

    /**
     * Builds, then refuses keys that were not read; what the builder finds wrong is told with the path.
     *
     * @param builder reads the fields
     * @param <T> what it makes
     * @return what it made
     * @throws IllegalArgumentException if the builder throws one or a key was not read
     */
    public <T> T build(Supplier<T> builder) {
        T built;
        try {
            built = builder.get();
        } catch (IllegalArgumentException e) {
            if (e instanceof JsonException || path.isEmpty()) {
                throw e;
            }
            throw new JsonException("in " + path.substring(0, path.length() - 1) + ": " + e.getMessage(), e);
        }
        Set<String> unknown = new TreeSet<>(object.keySet());
        unknown.removeAll(read);
        for (String key : unknown) {
            throw new JsonException(
                    "unknown key " + path + Shown.value(key) + " = " + Shown.value(String.valueOf(object.get(key)))
                            + "; known here are " + read,
                    null);
        }
        return built;
    }

    JsonException unexpected(String key, String expected) {
        return wrong(path + key, expected, value(key));
    }

    private JsonElement value(String key) {
        read.add(key);
        JsonElement value = object.get(key);
        if (value == null) {
            throw new JsonException(
                    "missing key " + path + key + "; there are "
                            + Shown.value(object.keySet().toString()),
                    null);
        }
        return value;
    }

    private JsonArray array(String key) {
        JsonElement value = value(key);
        check(value.isJsonArray(), path + key, "a list", value);
        return value.getAsJsonArray();
    }

    private static int asInt(String at, JsonElement value) {
        check(isNumber(value), at, "an integer", value);
        try {
            return value.getAsBigDecimal().intValueExact();
        } catch (ArithmeticException e) {
            throw wrong(at, "an integer of 32 bits", value);
        }
    }

    private static String asString(String at, JsonElement value) {
        check(isString(value), at, "a text", value);
        return value.getAsString();
    }

    private static JsonObject asObject(String at, JsonElement value) {
        check(value.isJsonObject(), at, "an object", value);
        return value.getAsJsonObject();
    }

    private static boolean isNumber(JsonElement value) {
        return value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber();
    }

    private static boolean isString(JsonElement value) {
        return value.isJsonPrimitive() && value.getAsJsonPrimitive().isString();
    }

    private static void check(boolean condition, String at, String expected, JsonElement value) {
        if (!condition) {
            throw wrong(at, expected, value);
        }
    }

    private static JsonException wrong(String at, String expected, JsonElement value) {
        return new JsonException(at + " must be " + expected + ", got " + Shown.value(value.toString()), null);
    }

    /** A fault whose message already says where. */
    static final class JsonException extends IllegalArgumentException {
        private static final long serialVersionUID = 1L;

        JsonException(String message, @org.jspecify.annotations.Nullable Throwable cause) {
            super(message, cause);
        }
    }
}
