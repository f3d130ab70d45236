package ai.molae.cost;

import ai.molae.internal.Checks;

/** The number format of a tensor's elements, as far as bytes are concerned. */
public enum ElementType {
    /** IEEE single precision, 4 bytes. */
    FLOAT32(4, true),
    /** The upper half of a float32, 2 bytes. */
    BFLOAT16(2, true),
    /** IEEE half precision, 2 bytes. */
    FLOAT16(2, true),
    /** Quantised weights, 1 byte; the bytes of their scales are not counted. */
    INT8(1, false),
    /** Indices of tokens and experts, 8 bytes. */
    INT64(8, false);

    private final int bytes;
    private final boolean differentiable;

    ElementType(int bytes, boolean differentiable) {
        this.bytes = bytes;
        this.differentiable = differentiable;
    }

    /**
     * The size of an element.
     *
     * @return its bytes
     */
    public int bytes() {
        return bytes;
    }

    /**
     * Whether gradients can flow through tensors of this type.
     *
     * @return true for the floating-point types
     */
    public boolean differentiable() {
        return differentiable;
    }

    static void checkWeights(ElementType type) {
        Checks.check(type != INT64, "INT64 is for indices; weights are FLOAT32, BFLOAT16, FLOAT16 or INT8");
    }

    static void checkTrainable(ElementType type) {
        Checks.check(type.differentiable(), "%s weights cannot be trained; use FLOAT32, BFLOAT16 or FLOAT16", type);
    }
}
