package ai.molae.cli.plan;

import ai.molae.cost.ElementType;
import java.util.Locale;

/** The number format that bytes are counted in. */
public enum Precision {
    /** float32 throughout. */
    FLOAT32(ElementType.FLOAT32, ElementType.FLOAT32),
    /** bfloat16 throughout; AdamW keeps a float32 master copy. */
    BFLOAT16(ElementType.BFLOAT16, ElementType.BFLOAT16),
    /** int8 weights, which cannot be trained; activations and key/value cache are bfloat16. */
    INT8(ElementType.INT8, ElementType.BFLOAT16);

    private final ElementType weights;
    private final ElementType activations;

    Precision(ElementType weights, ElementType activations) {
        this.weights = weights;
        this.activations = activations;
    }

    ElementType weights() {
        return weights;
    }

    /** The format of activations and of the key/value cache. */
    ElementType activations() {
        return activations;
    }

    boolean trainable() {
        return weights.differentiable();
    }

    /** The name as the user writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
