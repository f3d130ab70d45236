package ai.molae.djl.convert;

import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a conversion cost in quality and saved in size.
 *
 * @param source the name of the checkpoint's folder
 * @param method how it was converted, as lines {@code name: value}
 * @param before the model
 * @param after the converted model
 * @param layers the converted layers
 * @param losses mean cross-entropy (nats per token) on held-out text by stage, in order: "original", "converted", "healed"; empty if not measured
 */
public record ConversionReport(
        String source,
        List<String> method,
        ModelSpec before,
        ModelSpec after,
        List<LayerConversion> layers,
        Map<String, Double> losses) {

    /**
     * Copies the collections, losses in their order, and checks that the layers are those of the models.
     *
     * @param source the name of the checkpoint's folder
     * @param method how it was converted
     * @param before the model
     * @param after the converted model
     * @param layers the converted layers
     * @param losses by stage
     * @throws IllegalArgumentException if a layer is not in both models with the specs it names
     */
    public ConversionReport {
        method = List.copyOf(method);
        layers = List.copyOf(layers);
        losses = Collections.unmodifiableMap(new LinkedHashMap<>(losses));
        for (LayerConversion layer : layers) {
            check(layer.layer(), layer.before(), before, "before");
            check(layer.layer(), layer.after(), after, "after");
        }
    }

    private static void check(int layer, MoeSpec spec, ModelSpec model, String when) {
        if (layer < 0
                || layer >= model.numLayers()
                || !spec.equals(model.feedForwards().get(layer))) {
            throw new IllegalArgumentException("layer " + layer + " is not in the model of " + model.numLayers()
                    + " layers " + when + " the conversion, or differs: " + spec);
        }
    }

    /**
     * The same with another loss.
     *
     * @param stage what was measured, such as "healed"; a loss of the same stage is replaced
     * @param loss mean cross-entropy (nats per token) on the text the other losses were measured on
     * @return a new report
     */
    public ConversionReport withLoss(String stage, double loss) {
        Map<String, Double> all = new LinkedHashMap<>(losses);
        all.put(stage, loss);
        return new ConversionReport(source, method, before, after, layers, all);
    }
}
