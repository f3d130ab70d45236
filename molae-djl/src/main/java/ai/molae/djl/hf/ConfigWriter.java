package ai.molae.djl.hf;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

/** Changes keys of a {@code config.json} in place, in the spelling it uses, and leaves alone what already says the same. */
final class ConfigWriter {

    private final JsonObject json;

    ConfigWriter(JsonObject json) {
        this.json = json;
    }

    JsonObject json() {
        return json;
    }

    /** Reads what is written so far. */
    ConfigKeys keys() {
        return new ConfigKeys("", json);
    }

    void put(String key, int value, String... otherSpellings) {
        put(key, new JsonPrimitive(value), otherSpellings);
    }

    void put(String key, double value) {
        put(key, new JsonPrimitive(value));
    }

    void put(String key, boolean value) {
        put(key, new JsonPrimitive(value));
    }

    void put(String key, String value) {
        put(key, new JsonPrimitive(value));
    }

    /** Under each spelling that is present; under the first if none is. */
    void put(String key, JsonElement value, String... otherSpellings) {
        boolean written = replace(key, value);
        for (String other : otherSpellings) {
            written |= replace(other, value);
        }
        if (!written) {
            json.add(key, value);
        }
    }

    private boolean replace(String key, JsonElement value) {
        JsonElement old = json.get(key);
        if (old == null) {
            return false;
        }
        if (!ConfigValue.same(old, value)) {
            json.add(key, value);
        }
        return true;
    }

    void remove(String key) {
        json.remove(key);
    }
}
