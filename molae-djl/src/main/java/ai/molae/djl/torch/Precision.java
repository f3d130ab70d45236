package ai.molae.djl.torch;

/**
 * The arithmetic of the matrix products. Parameters, router, losses and everything that leaves a block are float32 in either case; with
 * {@link #BFLOAT16} products and activations inside a block are bfloat16, and parameters are the float32 master copies.
 */
public enum Precision {
    /** 32-bit products. */
    FLOAT32(6),
    /** bfloat16 products with float32 parameters and gradients. */
    BFLOAT16(15);

    private final int scalarType;

    Precision(int scalarType) {
        this.scalarType = scalarType;
    }

    /**
     * The number libtorch gives this element type.
     *
     * @return the {@code c10::ScalarType}
     */
    public int scalarType() {
        return scalarType;
    }
}
