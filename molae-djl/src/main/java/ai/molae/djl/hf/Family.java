package ai.molae.djl.hf;

import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.List;
import java.util.Set;

/** What the families have in common: the outer keys, the {@code molae} section, the check that what is written reads back equal. */
abstract class Family implements ModelFamily {

    private final List<String> modelTypes;
    private final String architecture;
    private final ExpertNames expertNames;

    Family(List<String> modelTypes, String architecture, ExpertNames expertNames) {
        this.modelTypes = modelTypes;
        this.architecture = architecture;
        this.expertNames = expertNames;
    }

    /** Reads what the family's own keys say; layers are not factored yet. */
    abstract ModelSpec read(ConfigKeys keys);

    /** Writes a model without factored layers, or as much of it as the family's keys can say. */
    abstract void write(ModelSpec spec, ConfigWriter out);

    @Override
    public final List<String> modelTypes() {
        return modelTypes;
    }

    @Override
    public final ModelSpec spec(JsonObject config) {
        ConfigKeys keys = new ConfigKeys("", config);
        ModelSpec spec = read(keys);
        Limits.check(spec);
        keys.refuseUnknown(KnownKeys.HARMLESS);
        return withSection(keys, spec);
    }

    /** The model with the file's {@code molae} section. */
    ModelSpec withSection(ConfigKeys keys, ModelSpec spec) {
        return LatentSection.read(keys, spec);
    }

    @Override
    public final JsonObject write(ModelSpec spec, JsonObject original, String dtype) {
        JsonObject json = start(original);
        ConfigWriter out = new ConfigWriter(json);
        writeSection(spec, out);
        if (json.has("num_nextn_predict_layers")) {
            out.put("num_nextn_predict_layers", 0);
        }
        out.remove("quantization_config");
        out.put("torch_dtype", new JsonPrimitive(dtype), "dtype");
        checkReadsBack(spec, json);
        return json;
    }

    /** The model with its factored layers in a {@code molae} section. */
    void writeSection(ModelSpec spec, ConfigWriter out) {
        write(spec.mapMoe(MoeSpec::withoutLatent), out);
        LatentSection.write(spec, out);
    }

    private JsonObject start(JsonObject original) {
        JsonElement type = original.get("model_type");
        if (type instanceof JsonPrimitive text && modelTypes.contains(text.getAsString())) {
            return original.deepCopy();
        }
        JsonObject json = new JsonObject();
        JsonArray architectures = new JsonArray();
        architectures.add(architecture);
        json.add("architectures", architectures);
        json.addProperty("model_type", modelTypes.get(0));
        for (String key : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
            if (original.has(key)) {
                json.add(key, original.get(key).deepCopy());
            }
        }
        return json;
    }

    private void checkReadsBack(ModelSpec spec, JsonObject json) {
        ModelSpec read;
        try {
            read = spec(json);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(cannot("express the model", String.valueOf(e.getMessage())), e);
        }
        if (!read.equals(spec)) {
            throw new IllegalArgumentException(cannot("express", Difference.between(spec, read)));
        }
    }

    String cannot(String what, String why) {
        return "a config.json of " + modelTypes.get(0) + " cannot " + what + ": " + why
                + "; save as another family, ModelFamily.of finds one";
    }

    @Override
    public final List<TensorBinding> bindings(ModelSpec spec, Set<String> present) {
        Limits.check(spec);
        return ModelTensors.of(spec, expertNames, present);
    }
}
