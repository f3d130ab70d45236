package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.array;
import static ai.molae.djl.safetensors.CheckpointFiles.directFloats;
import static ai.molae.djl.safetensors.CheckpointFiles.floats;
import static ai.molae.djl.safetensors.CheckpointFiles.littleEndian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FloatCodecTest {

    private static final int PATTERNS = 1 << 16;

    private static float[] decode(TensorType type, ByteBuffer bytes) {
        FloatBuffer into = directFloats(bytes.remaining() / type.bytes());
        FloatCodec.decode(type, bytes, into);
        assertThat(bytes.remaining()).isZero();
        return array(into.flip());
    }

    private static ByteBuffer encode(TensorType type, float... values) {
        ByteBuffer into = littleEndian(values.length * type.bytes());
        FloatBuffer source = floats(values);
        FloatCodec.encode(source, type, into);
        assertThat(source.remaining()).isZero();
        assertThat(into.remaining()).isZero();
        return into.flip();
    }

    private static short half(TensorType type, float value) {
        return encode(type, value).getShort(0);
    }

    private static ByteBuffer allPatterns() {
        ByteBuffer bytes = littleEndian(2 * PATTERNS);
        for (int i = 0; i < PATTERNS; i++) {
            bytes.putShort((short) i);
        }
        return bytes.flip();
    }

    /** What the bits of an IEEE number mean, by the definition. */
    private static double ieee(int bits, int exponentBits, int mantissaBits) {
        int bias = (1 << (exponentBits - 1)) - 1;
        int exponent = (bits >> mantissaBits) & ((1 << exponentBits) - 1);
        int mantissa = bits & ((1 << mantissaBits) - 1);
        double sign = (bits >> (exponentBits + mantissaBits) & 1) == 1 ? -1 : 1;
        double fraction = mantissa / Math.pow(2, mantissaBits);
        if (exponent == (1 << exponentBits) - 1) {
            return mantissa == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
        }
        return exponent == 0
                ? sign * fraction * Math.pow(2, 1 - bias)
                : sign * (1 + fraction) * Math.pow(2, exponent - bias);
    }

    @Test
    void everyBf16AndF16MeansWhatTheDefinitionSays() {
        float[] bf16 = decode(TensorType.BF16, allPatterns());
        float[] f16 = decode(TensorType.F16, allPatterns());
        for (int i = 0; i < PATTERNS; i++) {
            if (Double.compare(bf16[i], ieee(i, 8, 7)) != 0 || Double.compare(f16[i], ieee(i, 5, 10)) != 0) {
                assertThat(bf16[i]).as("BF16 %04x", i).isEqualTo((float) ieee(i, 8, 7));
                assertThat(f16[i]).as("F16 %04x", i).isEqualTo((float) ieee(i, 5, 10));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void every16BitNumberComesBackAsTheSameBytesAndNanAsNan(TensorType type) {
        float[] values = decode(type, allPatterns());
        ByteBuffer again = encode(type, values);
        float[] decodedAgain = decode(type, again.duplicate().order(ByteOrder.LITTLE_ENDIAN));
        int nans = 0;
        for (int i = 0; i < PATTERNS; i++) {
            if (Float.isNaN(values[i])) {
                nans++;
                assertThat(decodedAgain[i]).as("NaN %04x", i).isNaN();
            } else if (again.getShort(2 * i) != (short) i) {
                assertThat(again.getShort(2 * i)).as("%04x", i).isEqualTo((short) i);
            }
        }
        assertThat(nans).isEqualTo(type == TensorType.BF16 ? 2 * 127 : 2 * 1023);
    }

    /** The nearest of the two neighbours, the even one on a tie, found in exact arithmetic. */
    private static void assertNearestEven(float value, TensorType type, float[] numbers) {
        short bits = half(type, value);
        int magnitude = bits & 0x7fff;
        int infinity = type == TensorType.F16 ? 0x7c00 : 0x7f80;
        // beyond the largest number, infinity stands for the next power of two
        BigDecimal exact = new BigDecimal(Math.abs((double) value));
        BigDecimal distance =
                exact.subtract(number(numbers, magnitude, infinity)).abs();
        for (int neighbour : new int[] {magnitude - 1, magnitude + 1}) {
            if (neighbour < 0 || neighbour > infinity) {
                continue;
            }
            int compared =
                    exact.subtract(number(numbers, neighbour, infinity)).abs().compareTo(distance);
            boolean right = compared > 0 || (compared == 0 && magnitude % 2 == 0);
            if (!right) {
                assertThat(right).as("%s of %s gave %04x", type, value, bits).isTrue();
            }
        }
        assertThat(bits < 0).isEqualTo(Float.floatToRawIntBits(value) < 0);
    }

    private static BigDecimal number(float[] numbers, int magnitude, int infinity) {
        return magnitude == infinity
                ? new BigDecimal(2 * (double) numbers[infinity - (infinity == 0x7c00 ? 0x400 : 0x80)])
                : new BigDecimal(numbers[magnitude]);
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void floatsAreRoundedToTheNearestTiesToEven(TensorType type) {
        float[] numbers = decode(type, allPatterns());
        SplittableRandom random = new SplittableRandom(7);
        int infinity = type == TensorType.F16 ? 0x7c00 : 0x7f80;
        for (int i = 0; i < 4000; i++) {
            int at = random.nextInt(infinity - 1);
            // a number, the tie above it, and the floats beside the tie
            float tie = (float) ((numbers[at] + (double) numbers[at + 1]) / 2);
            float sign = random.nextBoolean() ? 1 : -1;
            assertNearestEven(sign * numbers[at], type, numbers);
            assertNearestEven(sign * tie, type, numbers);
            assertNearestEven(sign * Math.nextUp(tie), type, numbers);
            assertNearestEven(sign * Math.nextDown(tie), type, numbers);
        }
        for (int i = 0; i < 4000; i++) {
            float any = Float.intBitsToFloat(random.nextInt());
            if (Math.abs(any) < 65536) {
                assertNearestEven(any, type, numbers);
            }
        }
    }

    @Test
    void theEndsOfTheRangesAreRight() {
        assertThat(half(TensorType.F16, 65504)).isEqualTo((short) 0x7bff);
        assertThat(half(TensorType.F16, 65519.996f)).isEqualTo((short) 0x7bff);
        assertThat(half(TensorType.F16, 65520)).isEqualTo((short) 0x7c00);
        assertThat(half(TensorType.F16, 70000)).isEqualTo((short) 0x7c00);
        assertThat(half(TensorType.F16, -1e30f)).isEqualTo((short) 0xfc00);
        assertThat(half(TensorType.F16, Float.NEGATIVE_INFINITY)).isEqualTo((short) 0xfc00);
        assertThat(half(TensorType.F16, 0x1p-25f)).as("tie with 0").isEqualTo((short) 0);
        assertThat(half(TensorType.F16, Math.nextUp(0x1p-25f))).isEqualTo((short) 1);
        assertThat(half(TensorType.F16, -0f)).isEqualTo((short) 0x8000);
        assertThat(half(TensorType.F16, Float.MIN_VALUE)).isEqualTo((short) 0);
        assertThat(half(TensorType.F16, Math.nextDown(0x1p-14f)))
                .as("up to a normal")
                .isEqualTo((short) 0x400);
        assertThat(half(TensorType.BF16, Float.MAX_VALUE)).isEqualTo((short) 0x7f80);
        assertThat(half(TensorType.BF16, Float.intBitsToFloat(0x7f7f7fff))).isEqualTo((short) 0x7f7f);
        assertThat(half(TensorType.BF16, Float.NEGATIVE_INFINITY)).isEqualTo((short) 0xff80);
        assertThat(half(TensorType.BF16, -0f)).isEqualTo((short) 0x8000);
    }

    /** The payloads that cutting off or carrying would turn into infinities or zeros. */
    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "F16"})
    void nanStaysNan(TensorType type) {
        for (int bits : new int[] {0x7f800001, 0x7fc00000, 0x7fffffff, 0xff800001, 0xffffffff, 0x7f802000}) {
            float value = decode(type, encode(type, Float.intBitsToFloat(bits)))[0];
            assertThat(value).as("%08x", bits).isNaN();
        }
    }

    @Test
    void float32KeepsEveryBit() {
        ByteBuffer bytes =
                littleEndian(12).putInt(0x7f812345).putInt(1).putInt(0x80000000).flip();
        FloatBuffer values = directFloats(3);
        FloatCodec.decode(TensorType.F32, bytes.duplicate(), values);
        ByteBuffer again = littleEndian(12);
        FloatCodec.encode(values.flip(), TensorType.F32, again);
        assertThat(again.flip()).isEqualTo(bytes);
    }

    /** The table of OCP's 8-bit float E4M3, where the highest exponent holds numbers too. */
    @Test
    void everyF8MeansWhatTheDefinitionSays() {
        ByteBuffer bytes = littleEndian(256);
        for (int i = 0; i < 256; i++) {
            bytes.put((byte) i);
        }
        float[] values = decode(TensorType.F8_E4M3, bytes.flip());
        for (int i = 0; i < 256; i++) {
            int magnitude = i & 0x7f;
            double number = magnitude < 0x78 ? ieee(magnitude, 4, 3) : (1 + (magnitude & 7) / 8.0) * 256;
            double expected = magnitude == 0x7f ? Double.NaN : i < 0x80 ? number : -number;
            assertThat(Double.compare(values[i], expected)).as("%02x", i).isZero();
        }
        assertThat(values[0x7e]).isEqualTo(448);
        assertThat(values[1]).isEqualTo(0x1p-9f);
        assertThat(1 / values[0x80]).isEqualTo(Float.NEGATIVE_INFINITY);
    }

    @Test
    void integersBooleansAndDoublesBecomeFloats() {
        ByteBuffer longs = littleEndian(24).putLong(-3).putLong(Long.MAX_VALUE).putLong((1L << 24) + 1);
        assertThat(decode(TensorType.I64, longs.flip())).containsExactly(-3, 0x1p63f, 0x1p24f);
        ByteBuffer ints = littleEndian(8).putInt(-3).putInt(Integer.MIN_VALUE);
        assertThat(decode(TensorType.I32, ints.flip())).containsExactly(-3, -0x1p31f);
        byte[] small = {0, 1, -1, -128, 127};
        assertThat(decode(TensorType.I8, littleEndian(5).put(small).flip())).containsExactly(0, 1, -1, -128, 127);
        assertThat(decode(TensorType.U8, littleEndian(5).put(small).flip())).containsExactly(0, 1, 255, 128, 127);
        assertThat(decode(TensorType.BOOL, littleEndian(5).put(small).flip())).containsExactly(0, 1, 1, 1, 1);
        ByteBuffer doubles = littleEndian(24).putDouble(0.1).putDouble(1e300).putDouble(Double.NaN);
        assertThat(decode(TensorType.F64, doubles.flip())).containsExactly(0.1f, Float.POSITIVE_INFINITY, Float.NaN);
    }

    @ParameterizedTest
    @EnumSource
    void worksFromPositionToLimitOfAnyBuffers(TensorType type) {
        int count = 5;
        ByteBuffer direct = littleEndian((count + 2) * type.bytes() + 1);
        for (int i = 0; i < direct.capacity(); i++) {
            direct.put(i, (byte) (i * 7));
        }
        ByteBuffer heap = ByteBuffer.wrap(array(direct)).order(ByteOrder.BIG_ENDIAN);
        for (ByteBuffer bytes : new ByteBuffer[] {direct, heap, heap.asReadOnlyBuffer()}) {
            bytes.position(1).limit(1 + count * type.bytes());
            FloatBuffer expected = directFloats(count);
            FloatCodec.decode(type, direct.duplicate().position(1).limit(1 + count * type.bytes()), expected);
            FloatBuffer[] targets = {
                directFloats(count + 2),
                FloatBuffer.allocate(count + 2),
                ByteBuffer.allocate(4 * (count + 2)).order(ByteOrder.BIG_ENDIAN).asFloatBuffer()
            };
            for (FloatBuffer into : targets) {
                FloatCodec.decode(type, bytes.duplicate(), into.position(1));
                assertThat(into.position()).isEqualTo(count + 1);
                assertThat(into.get(0)).isZero();
                assertThat(into.get(count + 1)).isZero();
                assertThat(array(into.flip().position(1)))
                        .isEqualTo(array(expected.duplicate().flip()));
            }
        }
    }

    @Test
    void refusesPartsOfElementsTooLittleRoomAndTypesFloatsAreNotWrittenAs() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FloatCodec.decode(TensorType.F32, littleEndian(7), directFloats(9)))
                .withMessageContainingAll("7 bytes of F32 with 4");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FloatCodec.decode(TensorType.F16, littleEndian(8), directFloats(3)))
                .withMessageContainingAll("8 bytes of F16", "3 floats");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FloatCodec.encode(directFloats(3), TensorType.BF16, littleEndian(5)))
                .withMessageContainingAll("3 floats as BF16", "5 bytes");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> FloatCodec.encode(directFloats(1), TensorType.F8_E4M3, littleEndian(5)))
                .withMessageContaining("not as F8_E4M3");
    }
}
