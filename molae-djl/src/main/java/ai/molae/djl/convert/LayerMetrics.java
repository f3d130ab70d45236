package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.LayerMoments;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;

/**
 * The norms of a method in the layers of a checkpoint.
 *
 * @param checkpoint the standard model
 * @param method the method
 * @param calibration what text showed of it
 */
record LayerMetrics(Checkpoint checkpoint, ConversionMethod method, Optional<Calibration> calibration) {

    Optional<LayerMoments> moments(int layer) throws IOException {
        return calibration.isPresent() ? Optional.of(calibration.get().layer(layer)) : Optional.empty();
    }

    /** The norm in a layer. */
    Metric of(int layer) throws IOException {
        return switch (method.weighting()) {
            case NONE -> Metric.FROBENIUS;
            case FREQUENCY -> Metrics.frequency(moments(layer).orElseThrow(), method.shrinkage());
            case SCALES -> new ScaleMetric(new CheckpointExperts(checkpoint, layer), gamma(layer));
            case ACTIVATIONS -> Metrics.moments(moments(layer).orElseThrow(), method.shrinkage(), false);
            case SENSITIVITY -> Metrics.moments(moments(layer).orElseThrow(), method.shrinkage(), true);
        };
    }

    /** The weights of the norm before the layer. */
    private float[] gamma(int layer) {
        int n = checkpoint.spec().hiddenSize();
        Parameter norm = Parameter.builder()
                .setName("norm")
                .setType(Parameter.Type.OTHER)
                .optShape(new Shape(n))
                .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDArray values = checkpoint
                        .weights(Map.of("layers." + layer + ".post_attention_layernorm", norm))
                        .read(manager, norm, 0, n)) {
            return values.toFloatArray();
        }
    }
}
