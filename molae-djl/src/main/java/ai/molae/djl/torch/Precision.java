package ai.molae.djl.torch;

import java.util.List;

/**
 * The arithmetic of the matrix products. Router, losses and everything that leaves a block are float32 in every case. The first two
 * train, with float32 parameters and gradients; a block prepared for inference stores its weights in any of the four.
 */
public enum Precision {
    /** 32-bit products. */
    FLOAT32(6, 6),
    /** bfloat16 products and activations; in training, parameters are the float32 master copies. */
    BFLOAT16(15, 15),
    /** Inference: weights stored as float16, float32 products (on a GPU float16 ones). Weights must be below 65504 in magnitude. */
    FLOAT16(6, 5),
    /** Inference: weights stored as int8 with one float32 scale per output channel; with FBGEMM, a token's row is rounded too, by a scale of its own. */
    INT8(6, 1);

    private final int scalarType;
    private final int storageType;

    Precision(int scalarType, int storageType) {
        this.scalarType = scalarType;
        this.storageType = storageType;
    }

    /**
     * The number libtorch gives the element type of activations.
     *
     * @return the {@code c10::ScalarType}
     */
    public int scalarType() {
        return scalarType;
    }

    /**
     * The number libtorch gives the element type of weights prepared for inference.
     *
     * @return the {@code c10::ScalarType}
     */
    public int storageType() {
        return storageType;
    }

    /**
     * Those that layers train in.
     *
     * @return FLOAT32 and BFLOAT16
     */
    public static List<Precision> trainable() {
        return List.of(FLOAT32, BFLOAT16);
    }

    /**
     * Whether layers train in it.
     *
     * @return false if it stores weights for inference only
     */
    public boolean isTrainable() {
        return trainable().contains(this);
    }

    /**
     * This precision, if layers train in it.
     *
     * @return this
     * @throws IllegalArgumentException if it stores weights for inference only
     */
    public Precision checkTrainable() {
        if (!isTrainable()) {
            throw new IllegalArgumentException(this + " stores weights for inference and has no gradients; use one of "
                    + trainable() + ", and " + this + " with MoeBlock.prepareForInference");
        }
        return this;
    }
}
