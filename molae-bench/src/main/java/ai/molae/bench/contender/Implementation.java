package ai.molae.bench.contender;

import ai.molae.bench.workload.LayerCase;
import ai.molae.cost.ActivationPolicy;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.util.Optional;

/** Who computes a layer. */
public enum Implementation {
    /** molae's {@code MoeBlock}, prepared for inference, or on a gradient tape. */
    MOLAE,
    /** The loop over experts that a DJL user would write with NDArrays. */
    NDARRAY_LOOP,
    /** ONNX Runtime's CPU operators {@code com.microsoft.MoE} and, in int8, {@code com.microsoft.QMoE}. */
    ONNX_RUNTIME,
    /** A grouped loop on JavaCPP's PyTorch presets, which bring a libtorch of their own. */
    JAVACPP_PYTORCH;

    /**
     * Whether its products are DJL's, so that libtorch's profiler sees them and the machine's ceilings, measured with the same threads, are its own.
     *
     * @return false for peers that bring a library of their own
     */
    public boolean isDjl() {
        return this == MOLAE || this == NDARRAY_LOOP;
    }

    /**
     * Why it cannot run a layer for inference. Opens and loads nothing.
     *
     * @param spec the layer
     * @param precision the format of the weights
     * @return a sentence, or empty if it can
     */
    public Optional<String> refusal(MoeSpec spec, Precision precision) {
        return switch (this) {
            case MOLAE -> Optional.empty();
            case NDARRAY_LOOP -> NDArrayContender.refusal(precision);
            case ONNX_RUNTIME -> OnnxRuntimeContender.refusal(spec, precision);
            case JAVACPP_PYTORCH -> JavaCppContender.refusal(spec, precision);
        };
    }

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
            case MOLAE -> PlantedFault.in(
                    new MolaeContender(layer, precision),
                    CostModel.layer(layer.spec()).weightBytes(ElementType.valueOf(precision.name())));
            case NDARRAY_LOOP -> new NDArrayContender(layer, precision);
            case ONNX_RUNTIME -> new OnnxRuntimeContender(layer, precision);
            case JAVACPP_PYTORCH -> new JavaCppContender(layer, precision);
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
