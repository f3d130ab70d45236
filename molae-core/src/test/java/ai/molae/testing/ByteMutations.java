package ai.molae.testing;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.SplittableRandom;

/** Damage to a file: flipped bits, cut and spliced pieces, numbers that lie. */
public final class ByteMutations {

    private static final long[] LENGTHS = {
        0,
        1,
        -1,
        7,
        8,
        255,
        65_536,
        99_999_999,
        100_000_001,
        Integer.MAX_VALUE,
        1L << 31,
        1L << 40,
        Long.MAX_VALUE,
        Long.MIN_VALUE
    };

    private ByteMutations() {}

    /** One to four faults, half of them within the first bytes, where headers stand. */
    public static byte[] damage(byte[] bytes, SplittableRandom random) {
        byte[] damaged = bytes.clone();
        for (int k = random.nextInt(4); k >= 0; k--) {
            if (damaged.length == 0) {
                return damaged;
            }
            int span = random.nextBoolean() ? Math.min(damaged.length, 64) : damaged.length;
            damaged = fault(damaged, random.nextInt(span), random);
        }
        return damaged;
    }

    private static byte[] fault(byte[] bytes, int at, SplittableRandom random) {
        int end = Math.min(bytes.length, at + 1 + random.nextInt(64));
        switch (random.nextInt(8)) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[at] = (byte) random.nextInt(256);
            case 2 -> {
                return Arrays.copyOf(bytes, at);
            }
            case 3 -> {
                return Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(100));
            }
            case 4 -> {
                return splice(bytes, at, end, random.nextInt(bytes.length + 1));
            }
            case 5 -> {
                return remove(bytes, at, end);
            }
            case 6 -> Arrays.fill(bytes, at, end, (byte) (random.nextBoolean() ? 0 : 0xff));
            default -> {
                int place = random.nextBoolean() ? 0 : at;
                if (place + Long.BYTES <= bytes.length) {
                    ByteBuffer.wrap(bytes)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(place, LENGTHS[random.nextInt(LENGTHS.length)]);
                }
            }
        }
        return bytes;
    }

    /** A copy of a piece at another place. */
    private static byte[] splice(byte[] bytes, int from, int to, int at) {
        ByteBuffer longer = ByteBuffer.allocate(bytes.length + to - from);
        longer.put(bytes, 0, at).put(bytes, from, to - from).put(bytes, at, bytes.length - at);
        return longer.array();
    }

    private static byte[] remove(byte[] bytes, int from, int to) {
        ByteBuffer shorter = ByteBuffer.allocate(bytes.length - (to - from));
        shorter.put(bytes, 0, from).put(bytes, to, bytes.length - to);
        return shorter.array();
    }
}
