package ai.molae.djl.convert;

import ai.molae.spec.ModelSpec;
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
        Map<String, Double> losses) {}
