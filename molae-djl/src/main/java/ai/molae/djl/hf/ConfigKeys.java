package ai.molae.djl.hf;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * The keys of a {@code config.json}, or of an object in it. Null counts as absent; a key may have several spellings, which must agree. Every
 * fault is an {@link IllegalArgumentException} that names the key and the value. It remembers which keys were asked for, so that
 * {@link #refuseUnknown} finds the options nobody has implemented.
 */
final class ConfigKeys {

    /** No width of a model comes near; a typing error must not make arithmetic overflow. */
    static final int LARGEST = 1 << 28;

    private final String path;
    private final JsonObject json;
    private final Set<String> known = new TreeSet<>();

    /** The fields of an object; {@code path} is empty or ends with a dot. */
    ConfigKeys(String path, JsonObject json) {
        this.path = path;
        this.json = json;
    }

    boolean has(String... spellings) {
        return find(spellings).isPresent();
    }

    /** Whether the key stands there, be it as null. */
    boolean mentions(String key) {
        return json.has(key);
    }

    /** A width or a count, at least 1. */
    int size(String... spellings) {
        return size(require(spellings));
    }

    int size(String key, int absent) {
        return find(key).map(this::size).orElse(absent);
    }

    private int size(Found found) {
        int size = integer(found);
        if (size < 1 || size > LARGEST) {
            throw found.mustBe("between 1 and " + LARGEST);
        }
        return size;
    }

    /** A count that may be 0. */
    int count(String... spellings) {
        return count(require(spellings));
    }

    int count(String key, int absent) {
        return find(key).map(this::count).orElse(absent);
    }

    private int count(Found found) {
        int count = integer(found);
        if (count < 0 || count > LARGEST) {
            throw found.mustBe("between 0 and " + LARGEST);
        }
        return count;
    }

    BigDecimal decimal(String key, String absent) {
        return find(key).map(ConfigKeys::decimal).orElseGet(() -> new BigDecimal(absent));
    }

    double number(String key) {
        return number(require(key));
    }

    double number(String key, double absent) {
        return find(key).map(ConfigKeys::number).orElse(absent);
    }

    boolean bool(String key, boolean absent) {
        return find(key).map(ConfigKeys::bool).orElse(absent);
    }

    /** One of some words. */
    String word(String key, String absent, List<String> words) {
        Optional<Found> found = find(key);
        if (found.isEmpty()) {
            return absent;
        }
        String word = string(found.get());
        if (!words.contains(word)) {
            throw found.get().mustBe("one of " + words);
        }
        return word;
    }

    Optional<String> string(String... spellings) {
        return find(spellings).map(ConfigKeys::string);
    }

    List<Integer> integers(String key) {
        List<Integer> list = new ArrayList<>();
        for (Found found : elements(key)) {
            list.add(integer(found));
        }
        return list;
    }

    List<String> strings(String key) {
        return elements(key).stream().map(ConfigKeys::string).toList();
    }

    /** An integer, a list of integers, or nothing. */
    List<Integer> integerOrIntegers(String key) {
        Optional<Found> found = find(key);
        if (found.isPresent() && !found.get().value.isJsonArray()) {
            return List.of(integer(found.get()));
        }
        return integers(key);
    }

    Optional<ConfigKeys> object(String key) {
        return find(key).map(found -> {
            if (!found.value.isJsonObject()) {
                throw found.mustBe("an object");
            }
            return new ConfigKeys(found.key + ".", found.value.getAsJsonObject());
        });
    }

    List<ConfigKeys> objects(String key) {
        List<ConfigKeys> list = new ArrayList<>();
        for (Found found : elements(key)) {
            if (!found.value.isJsonObject()) {
                throw found.mustBe("an object");
            }
            list.add(new ConfigKeys(found.key + ".", found.value.getAsJsonObject()));
        }
        return list;
    }

    JsonObject json() {
        return json;
    }

    String path() {
        return path;
    }

    IllegalArgumentException mustBe(String expected, String... spellings) {
        return require(spellings).mustBe(expected);
    }

    /** An option that is not implemented: accepted only where it says "off". */
    void off(String key, JsonElement... off) {
        Optional<Found> found = find(key);
        if (found.isPresent() && List.of(off).stream().noneMatch(value -> same(value, found.get().value))) {
            throw new IllegalArgumentException(
                    found.get() + " is not implemented by molae, only " + key + " = " + off[0] + "; "
                            + "another model is needed, or the key must be removed if it does not change this one");
        }
    }

    /** Refuses keys that were not asked for and are not among the harmless ones. */
    void refuseUnknown(Set<String> harmless) {
        for (String key : json.keySet()) {
            JsonElement value = json.get(key);
            if (!known.contains(key) && !harmless.contains(key) && !value.isJsonNull()) {
                throw new IllegalArgumentException(new Found(path + key, value)
                        + ": this option is not implemented by molae; remove it if it does not change the model");
            }
        }
    }

    private Found require(String... spellings) {
        return find(spellings)
                .orElseThrow(() -> new IllegalArgumentException("missing key " + path + String.join(" or ", spellings)
                        + " in config.json; it has " + json.keySet()));
    }

    private Optional<Found> find(String... spellings) {
        Optional<Found> found = Optional.empty();
        for (String key : spellings) {
            known.add(key);
            JsonElement value = json.get(key);
            if (value == null || value.isJsonNull()) {
                continue;
            }
            Found other = new Found(path + key, value);
            if (found.isPresent() && !same(found.get().value, value)) {
                throw disagree(found.get().toString(), other.toString());
            }
            found = found.isPresent() ? found : Optional.of(other);
        }
        return found;
    }

    private List<Found> elements(String key) {
        Optional<Found> found = find(key);
        if (found.isEmpty()) {
            return List.of();
        }
        if (!found.get().value.isJsonArray()) {
            throw found.get().mustBe("a list");
        }
        JsonArray array = found.get().value.getAsJsonArray();
        List<Found> list = new ArrayList<>(array.size());
        for (JsonElement element : array) {
            list.add(new Found(path + key + "[" + list.size() + "]", element));
        }
        return list;
    }

    static IllegalArgumentException disagree(String one, String other) {
        return new IllegalArgumentException(
                one + " and " + other + " are two spellings of one option and disagree; remove the wrong one");
    }

    /** Equal as numbers or as JSON. */
    static boolean same(JsonElement a, JsonElement b) {
        if (isNumber(a) && isNumber(b)) {
            return a.getAsBigDecimal().compareTo(b.getAsBigDecimal()) == 0;
        }
        return a.equals(b);
    }

    private static boolean isNumber(JsonElement value) {
        return value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber();
    }

    private static BigDecimal decimal(Found found) {
        if (!isNumber(found.value)) {
            throw found.mustBe("a number");
        }
        return found.value.getAsBigDecimal();
    }

    private static double number(Found found) {
        double number = decimal(found).doubleValue();
        if (!Double.isFinite(number)) {
            throw found.mustBe("a number in the range of double");
        }
        return number;
    }

    private static int integer(Found found) {
        try {
            return decimal(found).intValueExact();
        } catch (ArithmeticException e) {
            throw found.mustBe("an integer of 32 bits");
        }
    }

    private static boolean bool(Found found) {
        if (!found.value.isJsonPrimitive() || !found.value.getAsJsonPrimitive().isBoolean()) {
            throw found.mustBe("true or false");
        }
        return found.value.getAsBoolean();
    }

    private static String string(Found found) {
        if (!found.value.isJsonPrimitive() || !found.value.getAsJsonPrimitive().isString()) {
            throw found.mustBe("a text");
        }
        return found.value.getAsString();
    }

    /** A key with its path, and its value. */
    private record Found(String key, JsonElement value) {

        IllegalArgumentException mustBe(String expected) {
            return new IllegalArgumentException(this + " in config.json must be " + expected);
        }

        @Override
        public String toString() {
            String text = value.toString();
            return key + " = " + (text.length() <= 200 ? text : text.substring(0, 200) + "...");
        }
    }
}
