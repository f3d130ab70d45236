package ai.molae.djl.train;

import ai.djl.nn.Parameter;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.LoraSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What must be the same for a run to go on as if it had not stopped, as text. */
final class RunSettings {

    private RunSettings() {}

    static Map<String, String> of(CausalLm model, TrainingData data, TrainingConfig config, Optional<Teacher> teacher) {
        Map<String, String> settings = new LinkedHashMap<>(config.settings());
        settings.put("precision", model.precision().toString());
        settings.put("dropout", String.valueOf(model.dropout()));
        settings.put("adapters", model.lora().map(LoraSpec::toString).orElse("none"));
        settings.put("trained", trained(model.parametersByPath()));
        teacher.ifPresent(known -> settings.put("teacher", known.describe()));
        settings.put("data", data.fingerprint());
        settings.put("sequence_length", String.valueOf(data.sequenceLength()));
        return settings;
    }

    /** Which parameters train, in short. */
    private static String trained(Map<String, Parameter> parameters) {
        List<String> paths = parameters.entrySet().stream()
                .filter(entry -> entry.getValue().requiresGradient())
                .map(Map.Entry::getKey)
                .toList();
        return paths.size() + " parameters, " + Integer.toHexString(paths.hashCode());
    }
}
