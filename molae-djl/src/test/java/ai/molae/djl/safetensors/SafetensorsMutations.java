package ai.molae.djl.safetensors;

import ai.molae.testing.JsonMutations;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/** Safetensors files made faulty by their structure. */
public final class SafetensorsMutations {

    private SafetensorsMutations() {}

    /** The same file with a changed header of the length that it says. */
    public static byte[] header(byte[] file, SplittableRandom random) {
        int length = (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
        String text = new String(file, 8, length, StandardCharsets.UTF_8).strip();
        byte[] changed = JsonMutations.mutate(text, random).getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(file.length - length + changed.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(changed.length)
                .put(changed)
                .put(file, 8 + length, file.length - 8 - length)
                .array();
    }
}
