package ai.molae.djl.lm;

import ai.molae.djl.torch.AdaptableBlock;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Which parameters of which blocks of a model get adapters, decided before anything is changed. */
final class LoraPlan {

    private final Map<AdaptableBlock, List<String>> parameters = new LinkedHashMap<>();

    LoraPlan(CausalLm model, LoraSpec spec) {
        Set<LoraTarget> missing = EnumSet.copyOf(spec.targets());
        Set<String> present = new TreeSet<>();
        for (DecoderLayer layer : model.layers()) {
            for (AdaptableBlock block : List.of(layer.attention(), (AdaptableBlock) layer.feedForward())) {
                for (String name : block.adaptable()) {
                    for (LoraTarget target : LoraTarget.values()) {
                        if (target.matches(block, name)) {
                            present.add(target.toString());
                            if (spec.targets().contains(target)) {
                                missing.remove(target);
                                add(block, name);
                            }
                        }
                    }
                }
            }
        }
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException(
                    "LoRA targets " + missing + ", which no layer of this model has; it has " + present);
        }
    }

    private void add(AdaptableBlock block, String name) {
        List<String> names = parameters.computeIfAbsent(block, b -> new ArrayList<>());
        if (!names.contains(name)) {
            names.add(name);
        }
    }

    void addTo(LoraSpec spec) {
        parameters.forEach((block, names) -> block.addAdapters(names, spec.rank(), spec.alpha()));
    }
}
