package ai.molae.djl.hf;

import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Rotary position embedding in its two layouts: {@code rope_theta} and {@code rope_scaling}, or both in {@code rope_parameters}; the kind of
 * scaling is {@code rope_type} or {@code type}. What stands there more than once must agree.
 *
 * @param maxPositionEmbeddings the model's longest sequence
 * @param defaultTheta {@code rope_theta} where it is absent
 * @param interleaved whether pairs are neighbours
 * @param scalesSoftmax whether {@code mscale_all_dim} of YaRN also scales the softmax (DeepSeek)
 */
record RopeConfig(int maxPositionEmbeddings, double defaultTheta, boolean interleaved, boolean scalesSoftmax) {

    private static final List<String> TYPES = List.of("default", "linear", "dynamic", "yarn", "llama3");
    private static final String ORIGINAL = "original_max_position_embeddings";

    RopeSpec read(ConfigKeys keys) {
        keys.number("rope_theta", defaultTheta);
        keys.off("partial_rotary_factor", new JsonPrimitive(1));
        keys.size(ORIGINAL, maxPositionEmbeddings);
        ConfigKeys rope = merged(keys);
        String type = rope.word("rope_type", "default", TYPES);
        double theta = rope.number("rope_theta", defaultTheta);
        rope.off("partial_rotary_factor", new JsonPrimitive(1));
        if (type.equals("yarn") && theta <= 1) {
            throw rope.mustBe("more than 1 with YaRN", "rope_theta");
        }
        RopeSpec spec = new RopeSpec(theta, interleaved, scaling(type, rope));
        // With the default type an original length stretches nothing.
        rope.refuseUnknown(Set.of(ORIGINAL));
        return spec;
    }

    private static ConfigKeys merged(ConfigKeys keys) {
        JsonObject all = new JsonObject();
        Map<String, String> origin = new TreeMap<>();
        String path = "";
        for (String key : List.of("rope_scaling", "rope_parameters")) {
            if (keys.object(key).isPresent()) {
                path = key + ".";
                merge(all, origin, path, keys.object(key).get().json());
            }
        }
        JsonObject top = new JsonObject();
        for (String key : List.of("rope_theta", ORIGINAL)) {
            if (keys.has(key)) {
                top.add(key, keys.json().get(key));
            }
        }
        merge(all, origin, "", top);
        return new ConfigKeys(path, all);
    }

    private static void merge(JsonObject all, Map<String, String> origin, String path, JsonObject object) {
        for (String key : object.keySet()) {
            String name = key.equals("type") ? "rope_type" : key;
            JsonElement value = object.get(key);
            if (value.isJsonNull()) {
                continue;
            }
            JsonElement old = all.get(name);
            if (old != null && !ConfigValue.same(old, value)) {
                throw ConfigKeys.disagree(origin.get(name) + " = " + old, path + key + " = " + value);
            }
            all.add(name, value);
            origin.put(name, path + key);
        }
    }

    private RopeScaling scaling(String type, ConfigKeys rope) {
        return switch (type) {
            case "linear" -> new RopeScaling.Linear(rope.number("factor"));
            case "dynamic" -> dynamic(rope);
            case "yarn" -> yarn(rope);
            case "llama3" -> new RopeScaling.Llama3(
                    rope.number("factor"),
                    rope.number("low_freq_factor"),
                    rope.number("high_freq_factor"),
                    rope.size(ORIGINAL, maxPositionEmbeddings));
            default -> new RopeScaling.None();
        };
    }

    /** Hugging Face takes the model's length for the trained one, whatever else is given. */
    private RopeScaling dynamic(ConfigKeys rope) {
        if (rope.size(ORIGINAL, maxPositionEmbeddings) != maxPositionEmbeddings) {
            throw rope.mustBe(
                    "max_position_embeddings = " + maxPositionEmbeddings + " with dynamic scaling, which starts there",
                    ORIGINAL);
        }
        return new RopeScaling.Dynamic(rope.number("factor"), maxPositionEmbeddings);
    }

    private RopeScaling yarn(ConfigKeys rope) {
        int original = rope.size(ORIGINAL, maxPositionEmbeddings);
        double factor = rope.number("factor", (double) maxPositionEmbeddings / original);
        double mscale = rope.number("mscale", 0);
        double mscaleAllDim = rope.number("mscale_all_dim", 0);
        return new RopeScaling.Yarn(
                factor,
                original,
                rope.number("beta_fast", 32),
                rope.number("beta_slow", 1),
                rope.number("attention_factor", RopeScaling.Yarn.attentionFactor(factor, mscale, mscaleAllDim)),
                scalesSoftmax && mscaleAllDim != 0 ? RopeScaling.Yarn.mscale(factor, mscaleAllDim) : 1,
                rope.bool("truncate", true));
    }

    /** Leaves alone keys that say the same already. */
    void write(ConfigWriter out, RopeSpec spec) {
        if (says(out, spec)) {
            return;
        }
        JsonObject scaling = scaling(spec.scaling());
        JsonElement old = out.json().get("rope_scaling");
        out.remove(ORIGINAL);
        if (out.keys().has("rope_parameters")) {
            JsonObject parameters = new JsonObject();
            parameters.addProperty("rope_theta", spec.theta());
            parameters.addProperty("rope_type", "default");
            scaling.asMap().forEach(parameters::add);
            out.json().add("rope_parameters", parameters);
            out.remove("rope_theta");
            out.remove("rope_scaling");
            return;
        }
        out.put("rope_theta", spec.theta());
        if (old instanceof JsonObject object && object.has("type") && !object.has("rope_type")) {
            JsonElement type = scaling.remove("rope_type");
            scaling.add("type", type);
        }
        if (spec.scaling() instanceof RopeScaling.None) {
            out.json().add("rope_scaling", JsonNull.INSTANCE);
        } else {
            out.json().add("rope_scaling", scaling);
        }
    }

    private boolean says(ConfigWriter out, RopeSpec spec) {
        ConfigKeys keys = out.keys();
        if (!keys.has("rope_theta") && !keys.has("rope_parameters")) {
            return false;
        }
        try {
            return read(keys).equals(spec);
        } catch (IllegalArgumentException e) {
            return false; // whatever was wrong there is replaced
        }
    }

    private static JsonObject scaling(RopeScaling scaling) {
        JsonObject json = new JsonObject();
        if (scaling instanceof RopeScaling.Linear linear) {
            json.addProperty("rope_type", "linear");
            json.addProperty("factor", linear.factor());
        } else if (scaling instanceof RopeScaling.Dynamic dynamic) {
            json.addProperty("rope_type", "dynamic");
            json.addProperty("factor", dynamic.factor());
        } else if (scaling instanceof RopeScaling.Yarn yarn) {
            yarn(json, yarn);
        } else if (scaling instanceof RopeScaling.Llama3 llama3) {
            json.addProperty("rope_type", "llama3");
            json.addProperty("factor", llama3.factor());
            json.addProperty("low_freq_factor", llama3.lowFreqFactor());
            json.addProperty("high_freq_factor", llama3.highFreqFactor());
            json.addProperty(ORIGINAL, llama3.originalMaxPositionEmbeddings());
        }
        return json;
    }

    private static void yarn(JsonObject json, RopeScaling.Yarn yarn) {
        json.addProperty("rope_type", "yarn");
        json.addProperty("factor", yarn.factor());
        json.addProperty(ORIGINAL, yarn.originalMaxPositionEmbeddings());
        json.addProperty("beta_fast", yarn.betaFast());
        json.addProperty("beta_slow", yarn.betaSlow());
        double mscale = mscaleAllDim(yarn);
        if (mscale != 0) {
            json.addProperty("mscale", mscale);
            json.addProperty("mscale_all_dim", mscale);
        }
        if (yarn.attentionFactor() != RopeScaling.Yarn.attentionFactor(yarn.factor(), mscale, mscale)) {
            json.addProperty("attention_factor", yarn.attentionFactor());
        }
        if (!yarn.truncate()) {
            json.addProperty("truncate", false);
        }
    }

    /** The inverse of {@link RopeScaling.Yarn#mscale}; its rounding may take a few steps to find. */
    private static double mscaleAllDim(RopeScaling.Yarn yarn) {
        double m = yarn.softmaxMscale();
        if (m == 1 || yarn.factor() == 1) {
            return 0;
        }
        double near = (m - 1) / (0.1 * Math.log(yarn.factor()));
        for (int steps = -16; steps <= 16; steps++) {
            double candidate = near + steps * Math.ulp(near);
            if (RopeScaling.Yarn.mscale(yarn.factor(), candidate) == m) {
                return candidate;
            }
        }
        return near;
    }
}
