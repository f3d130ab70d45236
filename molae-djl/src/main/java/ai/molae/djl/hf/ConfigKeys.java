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

    private int size(ConfigValue found) {
        int size = found.integer();
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

    private int count(ConfigValue found) {
        int count = found.integer();
        if (count < 0 || count > LARGEST) {
            throw found.mustBe("between 0 and " + LARGEST);
        }
        return count;
    }

    BigDecimal decimal(String key, String absent) {
        return find(key).map(ConfigValue::decimal).orElseGet(() -> new BigDecimal(absent));
    }

    double number(String key) {
        return require(key).number();
    }

    double number(String key, double absent) {
        return find(key).map(ConfigValue::number).orElse(absent);
    }

    boolean bool(String key, boolean absent) {
        return find(key).map(ConfigValue::bool).orElse(absent);
    }

    /** One of some words. */
    String word(String key, String absent, List<String> words) {
        Optional<ConfigValue> found = find(key);
        if (found.isEmpty()) {
            return absent;
        }
        String word = found.get().string();
        if (!words.contains(word)) {
            throw found.get().mustBe("one of " + words);
        }
        return word;
    }

    Optional<String> string(String... spellings) {
        return find(spellings).map(ConfigValue::string);
    }

    List<Integer> integers(String key) {
        List<Integer> list = new ArrayList<>();
        for (ConfigValue found : elements(key)) {
            list.add(found.integer());
        }
        return list;
    }

    List<String> strings(String key) {
        return elements(key).stream().map(ConfigValue::string).toList();
    }

    /** An integer, a list of integers, or nothing. */
    List<Integer> integerOrIntegers(String key) {
        Optional<ConfigValue> found = find(key);
        if (found.isPresent() && !found.get().value().isJsonArray()) {
            return List.of(found.get().integer());
        }
        return integers(key);
    }

    Optional<ConfigKeys> object(String key) {
        return find(key).map(found -> {
            if (!found.value().isJsonObject()) {
                throw found.mustBe("an object");
            }
            return new ConfigKeys(found.key() + ".", found.value().getAsJsonObject());
        });
    }

    List<ConfigKeys> objects(String key) {
        List<ConfigKeys> list = new ArrayList<>();
        for (ConfigValue found : elements(key)) {
            if (!found.value().isJsonObject()) {
                throw found.mustBe("an object");
            }
            list.add(new ConfigKeys(found.key() + ".", found.value().getAsJsonObject()));
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
        Optional<ConfigValue> found = find(key);
        if (found.isPresent()
                && List.of(off).stream()
                        .noneMatch(value -> ConfigValue.same(value, found.get().value()))) {
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
                throw new IllegalArgumentException(new ConfigValue(path + key, value)
                        + ": this option is not implemented by molae; remove it if it does not change the model");
            }
        }
    }

    private ConfigValue require(String... spellings) {
        return find(spellings)
                .orElseThrow(() -> new IllegalArgumentException("missing key " + path + String.join(" or ", spellings)
                        + " in config.json; it has " + json.keySet()));
    }

    private Optional<ConfigValue> find(String... spellings) {
        Optional<ConfigValue> found = Optional.empty();
        for (String key : spellings) {
            known.add(key);
            JsonElement value = json.get(key);
            if (value == null || value.isJsonNull()) {
                continue;
            }
            ConfigValue other = new ConfigValue(path + key, value);
            if (found.isPresent() && !ConfigValue.same(found.get().value(), value)) {
                throw disagree(found.get().toString(), other.toString());
            }
            found = found.isPresent() ? found : Optional.of(other);
        }
        return found;
    }

    private List<ConfigValue> elements(String key) {
        Optional<ConfigValue> found = find(key);
        if (found.isEmpty()) {
            return List.of();
        }
        if (!found.get().value().isJsonArray()) {
            throw found.get().mustBe("a list");
        }
        JsonArray array = found.get().value().getAsJsonArray();
        List<ConfigValue> list = new ArrayList<>(array.size());
        for (JsonElement element : array) {
            list.add(new ConfigValue(path + key + "[" + list.size() + "]", element));
        }
        return list;
    }

    static IllegalArgumentException disagree(String one, String other) {
        return new IllegalArgumentException(
                one + " and " + other + " are two spellings of one option and disagree; remove the wrong one");
    }
}
