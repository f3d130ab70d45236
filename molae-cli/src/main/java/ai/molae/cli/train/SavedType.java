package ai.molae.cli.train;

import ai.molae.djl.safetensors.TensorType;
import java.util.Locale;

/** The element type of a saved checkpoint. */
enum SavedType {
    /** 32 bits. */
    FLOAT32(TensorType.F32),
    /** The upper half of float32. */
    BFLOAT16(TensorType.BF16),
    /** IEEE half precision. */
    FLOAT16(TensorType.F16);

    final TensorType type;

    SavedType(TensorType type) {
        this.type = type;
    }

    /** The name as the user writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
