package ai.molae.djl.safetensors;

import java.util.Arrays;
import java.util.Optional;

/** The element type of a tensor in a file. A constant's name is the {@code dtype} of the safetensors header. */
public enum TensorType {
    /** 64-bit float. */
    F64(8),
    /** 32-bit float. */
    F32(4),
    /** IEEE 754 half: 5 bits of exponent, 10 of mantissa. */
    F16(2),
    /** The upper half of a 32-bit float. */
    BF16(2),
    /** 64-bit signed integer. */
    I64(8),
    /** 32-bit signed integer. */
    I32(4),
    /** 8-bit signed integer. */
    I8(1),
    /** 8-bit unsigned integer. */
    U8(1),
    /** A byte that is 0 for false. */
    BOOL(1),
    /** 8-bit float, 4 bits of exponent and 3 of mantissa, without infinities: 0x7f and 0xff are NaN, the largest number is 448. */
    F8_E4M3(1);

    private final int bytes;

    TensorType(int bytes) {
        this.bytes = bytes;
    }

    /**
     * The size of an element.
     *
     * @return bytes
     */
    public int bytes() {
        return bytes;
    }

    /**
     * The name in a header.
     *
     * @return the {@code dtype}
     */
    public String safetensorsName() {
        return name();
    }

    /**
     * The type with a name.
     *
     * @param name a {@code dtype}
     * @return the type, or empty if this library does not know it
     */
    public static Optional<TensorType> ofSafetensorsName(String name) {
        return Arrays.stream(values())
                .filter(type -> type.safetensorsName().equals(name))
                .findFirst();
    }
}
