package ai.molae.djl.hf;

import ai.molae.djl.json.SpecJson;
import ai.molae.spec.ModelSpec;
import java.util.List;

/** Any model: the whole spec stands in the {@code molae} section. */
final class MolaeFamily extends Family {

    MolaeFamily() {
        super(List.of("molae"), "MolaeForCausalLM", ExpertNames.usual("shared_expert"));
    }

    @Override
    ModelSpec read(ConfigKeys keys) {
        ConfigKeys section = keys.object("molae")
                .orElseThrow(() -> new IllegalArgumentException(
                        "missing key molae in config.json: a model of type molae is described there"));
        return SpecJson.model(section.path(), section.json());
    }

    @Override
    ModelSpec withSection(ConfigKeys keys, ModelSpec spec) {
        return spec;
    }

    @Override
    void write(ModelSpec spec, ConfigWriter out) {
        out.json().add("molae", SpecJson.toTree(spec));
    }

    @Override
    void writeSection(ModelSpec spec, ConfigWriter out) {
        write(spec, out);
    }
}
