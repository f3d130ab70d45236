package ai.molae.djl.hf;

import ai.molae.djl.json.SpecJson;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The {@code molae} section of a {@code config.json}: which layers of an otherwise ordinary model have factored experts, and how.
 *
 * <pre>{@code
 * "molae": {"format": 1, "latent": [{"layers": [0, 1], "latent_sizes": {"up": 768}, "tied_gate_up": false, "group_size": 8}]}
 * }</pre>
 */
final class LatentSection {

    private static final String SECTION = "molae";
    private static final int FORMAT = 1;

    private LatentSection() {}

    static ModelSpec read(ConfigKeys config, ModelSpec spec) {
        Optional<ConfigKeys> found = config.object(SECTION);
        if (found.isEmpty()) {
            return spec;
        }
        ConfigKeys section = found.get();
        if (section.count("format") != FORMAT) {
            throw section.mustBe(FORMAT + ", the format this version reads", "format");
        }
        List<FeedForwardSpec> layers = new ArrayList<>(spec.feedForwards());
        for (ConfigKeys entry : section.objects("latent")) {
            JsonObject latentJson = entry.json().deepCopy();
            latentJson.remove("layers");
            LatentSpec latent = SpecJson.latent(entry.path(), latentJson);
            for (int layer : entry.integers("layers")) {
                layers.set(check(entry, layer, layers), ((MoeSpec) layers.get(layer)).withLatent(latent));
            }
        }
        section.refuseUnknown(Set.of());
        return withLayers(spec, layers);
    }

    private static int check(ConfigKeys entry, int layer, List<FeedForwardSpec> layers) {
        if (layer < 0 || layer >= layers.size()) {
            throw entry.mustBe("layers from 0 to " + (layers.size() - 1), "layers");
        }
        if (!(layers.get(layer) instanceof MoeSpec moe)) {
            throw entry.mustBe("MoE layers, but " + layer + " is dense", "layers");
        }
        if (moe.latent().isPresent()) {
            throw entry.mustBe("layers named once, but " + layer + " stands there again", "layers");
        }
        return layer;
    }

    private static ModelSpec withLayers(ModelSpec spec, List<FeedForwardSpec> layers) {
        return new ModelSpec(
                spec.vocabSize(),
                spec.hiddenSize(),
                spec.attention(),
                layers,
                spec.maxPositionEmbeddings(),
                spec.rmsNormEps(),
                spec.tieWordEmbeddings(),
                spec.initializerRange());
    }

    static void write(ModelSpec spec, ConfigWriter out) {
        Map<LatentSpec, JsonArray> layersOf = new LinkedHashMap<>();
        for (int i = 0; i < spec.numLayers(); i++) {
            if (spec.feedForwards().get(i) instanceof MoeSpec moe
                    && moe.latent().isPresent()) {
                layersOf.computeIfAbsent(moe.latent().get(), latent -> new JsonArray())
                        .add(i);
            }
        }
        if (layersOf.isEmpty()) {
            out.remove(SECTION);
            return;
        }
        JsonArray entries = new JsonArray();
        layersOf.forEach((latent, layers) -> {
            JsonObject entry = new JsonObject();
            entry.add("layers", layers);
            SpecJson.toTree(latent).asMap().forEach(entry::add);
            entries.add(entry);
        });
        JsonObject section = new JsonObject();
        section.addProperty("format", FORMAT);
        section.add("latent", entries);
        out.json().add(SECTION, section);
    }
}
