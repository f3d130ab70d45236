package ai.molae.djl.hf;

import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.SlidingWindow;
import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonPrimitive;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Which layers slide: {@code sliding_window}, {@code use_sliding_window}, {@code max_window_layers} and {@code layer_types}. */
final class WindowConfig {

    private static final String SLIDING = "sliding_attention";
    private static final String FULL = "full_attention";

    private WindowConfig() {}

    /** Every layer slides (Mixtral, Qwen3-MoE), whose code does not look at layer types: they may only repeat it. */
    static Optional<SlidingWindow> everywhere(ConfigKeys keys, int layers, boolean slides, int absentSize) {
        Set<Integer> sliding = slides ? all(layers) : Set.of();
        Optional<Set<Integer>> named = named(keys, layers);
        if (named.isPresent() && !named.get().equals(sliding)) {
            throw keys.mustBe(
                    (slides ? SLIDING : FULL) + " for every layer, as the other keys of the sliding window say; "
                            + "this family has no layers of two types",
                    "layer_types");
        }
        return window(keys, sliding, absentSize);
    }

    /** Every other layer below {@code max_window_layers} slides (Qwen2-MoE), unless the layers' types are given. */
    static Optional<SlidingWindow> alternating(ConfigKeys keys, int layers) {
        boolean slides = keys.bool("use_sliding_window", false);
        int below = Math.min(layers, keys.count("max_window_layers", 28));
        Set<Integer> sliding =
                slides ? all(below).stream().filter(layer -> layer % 2 == 0).collect(Collectors.toSet()) : Set.of();
        Optional<Set<Integer>> named = named(keys, layers);
        if (named.isPresent() && !slides && !named.get().isEmpty()) {
            throw keys.mustBe(
                    FULL + " for every layer where use_sliding_window is false; make one of them agree", "layer_types");
        }
        return window(keys, named.orElse(sliding), 4096);
    }

    private static Optional<SlidingWindow> window(ConfigKeys keys, Set<Integer> sliding, int absentSize) {
        if (sliding.isEmpty()) {
            keys.has("sliding_window");
            return Optional.empty();
        }
        return Optional.of(new SlidingWindow(keys.size("sliding_window", absentSize), sliding));
    }

    private static Optional<Set<Integer>> named(ConfigKeys keys, int layers) {
        if (!keys.has("layer_types")) {
            return Optional.empty();
        }
        List<String> types = keys.strings("layer_types");
        if (types.size() != layers) {
            throw keys.mustBe("one type for each of the num_hidden_layers = " + layers, "layer_types");
        }
        Set<Integer> sliding = new TreeSet<>();
        for (int i = 0; i < layers; i++) {
            if (types.get(i).equals(SLIDING)) {
                sliding.add(i);
            } else if (!types.get(i).equals(FULL)) {
                throw keys.mustBe("a list of " + FULL + " and " + SLIDING + ", not " + types.get(i), "layer_types");
            }
        }
        return Optional.of(sliding);
    }

    private static Set<Integer> all(int layers) {
        return IntStream.range(0, layers).boxed().collect(Collectors.toCollection(TreeSet::new));
    }

    /** A window in every layer or in none. */
    static void writeEverywhere(ConfigWriter out, GroupedQueryAttentionSpec attention, int layers) {
        Optional<SlidingWindow> window = attention.slidingWindow();
        if (window.isPresent()) {
            out.put("sliding_window", window.get().size());
        } else {
            out.put("sliding_window", JsonNull.INSTANCE);
        }
        if (out.keys().has("layer_types")) {
            writeTypes(out, attention, layers);
        }
    }

    /** The switch and the size; types only where the rule cannot say it. */
    static void writeSwitched(ConfigWriter out, GroupedQueryAttentionSpec attention) {
        Optional<SlidingWindow> window = attention.slidingWindow();
        out.put("use_sliding_window", window.isPresent());
        window.ifPresent(present -> out.put("sliding_window", present.size()));
    }

    static void writeTypes(ConfigWriter out, GroupedQueryAttentionSpec attention, int layers) {
        JsonArray types = new JsonArray();
        for (int i = 0; i < layers; i++) {
            boolean slides = attention.window(i) != Integer.MAX_VALUE;
            types.add(new JsonPrimitive(slides ? SLIDING : FULL));
        }
        out.put("layer_types", types);
    }
}
