package ai.molae.djl.hf;

import ai.molae.spec.ModelSpec;
import com.google.gson.JsonObject;
import java.util.List;

/** The registry behind {@link ModelFamily}. */
final class Families {

    static final List<ModelFamily> ALL = List.of(
            new MixtralFamily(),
            new Qwen2MoeFamily(),
            new Qwen3MoeFamily(),
            new OlmoeFamily(),
            new DeepSeekV2Family(),
            new DeepSeekV3Family(),
            new MolaeFamily());

    private Families() {}

    static ModelFamily ofModelType(String modelType) {
        if (modelType.equals(NemotronLatentMoe.MODEL_TYPE)) {
            throw new IllegalArgumentException("model_type = nemotron_h: its Mamba layers are not implemented, so only "
                    + "its MoE layers can be read, one by one, with NemotronLatentMoe");
        }
        return ALL.stream()
                .filter(family -> family.modelTypes().contains(modelType))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "model_type = " + modelType + " is unknown; known are " + modelTypes()));
    }

    static List<String> modelTypes() {
        return ALL.stream().flatMap(family -> family.modelTypes().stream()).toList();
    }

    static ModelFamily of(ModelSpec spec) {
        for (ModelFamily family : ALL) {
            try {
                family.write(spec, new JsonObject(), "float32");
                return family;
            } catch (IllegalArgumentException e) {
                // the next one
            }
        }
        throw new IllegalStateException("no family can express " + spec);
    }
}
