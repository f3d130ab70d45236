package ai.molae.djl.train;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What differs between the settings of a checkpoint and those of now, in words. */
final class Differences {

    private Differences() {}

    static String of(JsonObject checkpoint, JsonObject now) {
        List<String> found = new ArrayList<>();
        compare("", checkpoint, now, found);
        return String.join("; ", found);
    }

    static String of(Map<String, String> checkpoint, Map<String, String> now) {
        Set<String> keys = new TreeSet<>(checkpoint.keySet());
        keys.addAll(now.keySet());
        return String.join(
                "; ",
                keys.stream()
                        .filter(key -> !String.valueOf(checkpoint.get(key)).equals(String.valueOf(now.get(key))))
                        .map(key -> words(key, checkpoint.getOrDefault(key, "none"), now.getOrDefault(key, "none")))
                        .toList());
    }

    private static void compare(String path, JsonElement a, JsonElement b, List<String> found) {
        if (a.equals(b)) {
            return;
        }
        if (a instanceof JsonObject one && b instanceof JsonObject other) {
            Set<String> keys = new LinkedHashSet<>(one.keySet());
            keys.addAll(other.keySet());
            keys.forEach(key -> compare(path + (path.isEmpty() ? "" : ".") + key, in(one, key), in(other, key), found));
        } else if (a instanceof JsonArray one && b instanceof JsonArray other && one.size() == other.size()) {
            for (int i = 0; i < one.size(); i++) {
                compare(path + "[" + i + "]", one.get(i), other.get(i), found);
            }
        } else {
            found.add(words(path, a, b));
        }
    }

    private static JsonElement in(JsonObject object, String key) {
        return object.has(key) ? object.get(key) : JsonNull.INSTANCE;
    }

    private static String words(String key, @Nullable Object checkpoint, @Nullable Object now) {
        return key + " was " + checkpoint + " and is " + now;
    }
}
