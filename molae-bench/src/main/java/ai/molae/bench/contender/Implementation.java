package ai.molae.bench.contender;

import ai.molae.bench.workload.LayerCase;
import ai.molae.cost.ActivationPolicy;
import ai.molae.djl.torch.Precision;

/** Who computes a layer. */
public enum Implementation {
    /** molae's {@code MoeBlock}, prepared for inference, or on a gradient tape. */
    MOLAE,
    /** The loop over experts that a DJL user would write with NDArrays. */
    NDARRAY_LOOP,
    /** ONNX Runtime's CPU operator {@code com.microsoft.MoE}. */
    ONNX_RUNTIME,
    /** A grouped loop on JavaCPP's PyTorch presets, which bring a libtorch of their own. */
    JAVACPP_PYTORCH;

    /**
     * Opens a layer for inference.
     *
     * @param layer what to build
     * @param precision the format of the weights
     * @return the layer, which the caller closes
     * @throws IllegalArgumentException if this implementation cannot do it; the message says why
     */
    public Contender open(LayerCase layer, Precision precision) {
        return switch (this) {
            case MOLAE -> new MolaeContender(layer, precision);
            case NDARRAY_LOOP -> new NDArrayContender(layer, precision);
            case ONNX_RUNTIME, JAVACPP_PYTORCH -> throw new IllegalArgumentException(this + " is not there yet");
        };
    }

    /**
     * Opens a layer for training.
     *
     * @param layer what to build
     * @param precision of the products; weights and gradients are float32
     * @param activations what stays between forward and backward: KEEP_GATHERED by DJL's own collector, the others by molae's gradient tape
     * @return the layer, which the caller closes
     * @throws IllegalArgumentException if this implementation cannot do it; the message says why
     */
    public Trainee openTraining(LayerCase layer, Precision precision, ActivationPolicy activations) {
        return switch (this) {
            case MOLAE -> DjlTrainee.molae(layer, precision, activations);
            case NDARRAY_LOOP -> DjlTrainee.loop(layer, precision, activations);
            case ONNX_RUNTIME, JAVACPP_PYTORCH -> throw new IllegalArgumentException(this + " does not train here");
        };
    }
}
