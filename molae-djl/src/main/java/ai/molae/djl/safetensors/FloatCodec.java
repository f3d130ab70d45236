package ai.molae.djl.safetensors;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;

/**
 * Numbers as they stand in a file, little-endian, to 32-bit floats and back.
 *
 * <pre>
 *   to float    F64, I64, I32 rounded to nearest; every other type exactly; BOOL 0 or 1
 *   from float  F32 exactly; BF16, F16 rounded to nearest, ties to even, too large ones to infinity; NaN stays NaN
 * </pre>
 *
 * So BF16 and F16 come back as the same bytes, NaN as a NaN. Direct buffers are fastest.
 */
public final class FloatCodec {

    /** What each byte means. */
    private static final float[] I8 = table(bits -> (byte) bits);

    private static final float[] U8 = table(bits -> bits);
    private static final float[] BOOL = table(bits -> bits == 0 ? 0 : 1);
    private static final float[] F8_E4M3 = table(FloatCodec::f8ToFloat);

    private static final int F16_INFINITY = 0x7c00;
    /** Bits of float32 2⁻¹⁴, the smallest normal half. */
    private static final int F16_MIN_NORMAL = 113 << 23;
    /** From the exponent of a half, bias 15, to that of a float, bias 127. */
    private static final int F16_REBIAS = 112 << 23;
    /** Bits of float32 2¹⁶, beyond every half. */
    private static final int F16_BEYOND = 143 << 23;
    /** Bits of 0.5f, whose neighbours are 2⁻²⁴ apart, as subnormal halves are. */
    private static final int HALF = 126 << 23;

    private static final int INFINITY = 255 << 23;
    private static final int MAGNITUDE = 0x7fffffff;

    private FloatCodec() {}

    /**
     * Decodes all remaining bytes.
     *
     * @param type what they are
     * @param bytes read to its limit; its byte order does not matter
     * @param into receives one float for each element
     * @throws IllegalArgumentException if the bytes are no whole number of elements, or more than there is room for
     */
    public static void decode(TensorType type, ByteBuffer bytes, FloatBuffer into) {
        int count = bytes.remaining() / type.bytes();
        if (count * type.bytes() != bytes.remaining() || count > into.remaining()) {
            throw new IllegalArgumentException(bytes.remaining() + " bytes of " + type + " with " + type.bytes()
                    + " bytes each do not fill " + into.remaining() + " floats");
        }
        ByteBuffer source = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
        FloatBuffer target = into.slice();
        switch (type) {
            case F64 -> decodeF64(source.asDoubleBuffer(), target, count);
            case F32 -> target.put(source.asFloatBuffer());
            case F16 -> decodeF16(source.asShortBuffer(), target, count);
            case BF16 -> decodeBf16(source.asShortBuffer(), target, count);
            case I64 -> decodeI64(source.asLongBuffer(), target, count);
            case I32 -> decodeI32(source.asIntBuffer(), target, count);
            case I8 -> decodeBytes(source, I8, target, count);
            case U8 -> decodeBytes(source, U8, target, count);
            case BOOL -> decodeBytes(source, BOOL, target, count);
            case F8_E4M3 -> decodeBytes(source, F8_E4M3, target, count);
        }
        bytes.position(bytes.limit());
        into.position(into.position() + count);
    }

    /**
     * Encodes all remaining floats.
     *
     * @param values read to its limit
     * @param type F32, BF16 or F16
     * @param into receives the bytes, little-endian whatever its byte order
     * @throws IllegalArgumentException if the type is another, or there is not room enough
     */
    public static void encode(FloatBuffer values, TensorType type, ByteBuffer into) {
        checkEncodes(type);
        int count = values.remaining();
        if (count > into.remaining() / type.bytes()) {
            throw new IllegalArgumentException(
                    count + " floats as " + type + " do not fit in " + into.remaining() + " bytes");
        }
        FloatBuffer source = values.slice();
        ByteBuffer target = into.slice().order(ByteOrder.LITTLE_ENDIAN);
        switch (type) {
            case F32 -> target.asFloatBuffer().put(source);
            case BF16 -> encodeBf16(source, target.asShortBuffer(), count);
            default -> encodeF16(source, target.asShortBuffer(), count);
        }
        values.position(values.limit());
        into.position(into.position() + count * type.bytes());
    }

    /** Refuses types that floats are not written as. */
    static void checkEncodes(TensorType type) {
        if (type != TensorType.F32 && type != TensorType.BF16 && type != TensorType.F16) {
            throw new IllegalArgumentException(
                    "floats are written as F32, BF16 or F16, not as " + type + "; write such a tensor's own bytes");
        }
    }

    // A loop of a method of its own is compiled by itself; together in one method they are several times slower.

    private static void decodeF64(DoubleBuffer source, FloatBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, (float) source.get(i));
        }
    }

    private static void decodeF16(ShortBuffer source, FloatBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, f16ToFloat(source.get(i)));
        }
    }

    private static void decodeBf16(ShortBuffer source, FloatBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, bf16ToFloat(source.get(i)));
        }
    }

    private static void decodeI64(LongBuffer source, FloatBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, (float) source.get(i));
        }
    }

    private static void decodeI32(IntBuffer source, FloatBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, (float) source.get(i));
        }
    }

    private static void decodeBytes(ByteBuffer source, float[] values, FloatBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, values[source.get(i) & 0xff]);
        }
    }

    private static void encodeBf16(FloatBuffer source, ShortBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, floatToBf16(source.get(i)));
        }
    }

    private static void encodeF16(FloatBuffer source, ShortBuffer target, int count) {
        for (int i = 0; i < count; i++) {
            target.put(i, floatToF16(source.get(i)));
        }
    }

    static float bf16ToFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    static short floatToBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if ((bits & MAGNITUDE) > INFINITY) {
            return (short) ((bits >>> 16) | 0x40); // cutting a NaN off could leave an infinity
        }
        int tieToEven = bits >>> 16 & 1;
        return (short) ((bits + 0x7fff + tieToEven) >>> 16);
    }

    static float f16ToFloat(short half) {
        int sign = (half & 0x8000) << 16;
        int exponent = half & F16_INFINITY;
        int shifted = (half & 0x7fff) << 13;
        if (exponent == 0) {
            float magnitude = (half & 0x3ff) * 0x1p-24f;
            return Float.intBitsToFloat(sign | Float.floatToRawIntBits(magnitude));
        }
        if (exponent == F16_INFINITY) {
            return Float.intBitsToFloat(sign | INFINITY | shifted);
        }
        return Float.intBitsToFloat(sign | (shifted + F16_REBIAS));
    }

    static short floatToF16(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = bits >>> 16 & 0x8000;
        int magnitude = bits & MAGNITUDE;
        if (magnitude > INFINITY) {
            return (short) (sign | 0x7e00 | (magnitude >>> 13 & 0x3ff));
        }
        if (magnitude >= F16_BEYOND) {
            return (short) (sign | F16_INFINITY);
        }
        if (magnitude < F16_MIN_NORMAL) {
            float aligned = Float.intBitsToFloat(magnitude) + 0.5f; // the addition rounds to a multiple of 2⁻²⁴
            return (short) (sign | (Float.floatToRawIntBits(aligned) - HALF));
        }
        int rebiased = magnitude - F16_REBIAS;
        int tieToEven = rebiased >>> 13 & 1;
        return (short) (sign | ((rebiased + 0xfff + tieToEven) >>> 13));
    }

    private static float[] table(IntToFloat value) {
        float[] table = new float[256];
        for (int bits = 0; bits < 256; bits++) {
            table[bits] = value.of(bits);
        }
        return table;
    }

    private static float f8ToFloat(int bits) {
        int exponent = bits >> 3 & 0xf;
        int mantissa = bits & 7;
        if ((bits & 0x7f) == 0x7f) {
            return Float.NaN;
        }
        float magnitude = exponent == 0 ? mantissa * 0x1p-9f : Math.scalb(8 + mantissa, exponent - 10);
        return bits < 0x80 ? magnitude : -magnitude;
    }

    private interface IntToFloat {
        float of(int bits);
    }
}
