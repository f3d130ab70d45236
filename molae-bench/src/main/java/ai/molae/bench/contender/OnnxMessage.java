package ai.molae.bench.contender;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** A protocol-buffer message under construction, addressed by field number. */
final class OnnxMessage {

    private static final int VARINT = 0;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    OnnxMessage put(int field, long value) {
        return key(field, VARINT).varint(value);
    }

    OnnxMessage put(int field, float value) {
        key(field, FIXED32);
        int bits = Float.floatToIntBits(value);
        for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
            bytes.write(bits >>> shift);
        }
        return this;
    }

    OnnxMessage put(int field, String value) {
        return put(field, value.getBytes(StandardCharsets.UTF_8));
    }

    OnnxMessage put(int field, OnnxMessage value) {
        return put(field, value.toByteArray());
    }

    byte[] toByteArray() {
        return bytes.toByteArray();
    }

    private OnnxMessage put(int field, byte[] value) {
        key(field, BYTES).varint(value.length).bytes.writeBytes(value);
        return this;
    }

    private OnnxMessage key(int field, int wireType) {
        return varint((long) field << 3 | wireType);
    }

    private OnnxMessage varint(long value) {
        long rest = value;
        for (; (rest & ~0x7FL) != 0; rest >>>= 7) {
            bytes.write((int) ((rest & 0x7F) | 0x80));
        }
        bytes.write((int) rest);
        return this;
    }
}
