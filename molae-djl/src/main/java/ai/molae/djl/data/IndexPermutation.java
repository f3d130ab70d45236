package ai.molae.djl.data;

/**
 * The numbers from 0 to n - 1 in an order that a key fixes, in no memory: a Feistel network over the smallest even number of bits that n fits
 * into, applied again while the result is n or more. A bijection of the larger range, so one of the smaller, too (Black and Rogaway,
 * "Ciphers with Arbitrary Finite Domains", 2002).
 */
final class IndexPermutation {

    private static final int ROUNDS = 6;
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private final long size;
    private final int halfBits;
    private final long halfMask;
    private final long[] keys = new long[ROUNDS];

    IndexPermutation(long size, long key) {
        this.size = size;
        int bits = Math.max(2, Long.SIZE - Long.numberOfLeadingZeros(size - 1));
        halfBits = (bits + 1) / 2;
        halfMask = (1L << halfBits) - 1;
        for (int i = 0; i < ROUNDS; i++) {
            keys[i] = mix(key + (i + 1) * GOLDEN);
        }
    }

    /** The key of an epoch of a seed. */
    static long key(long seed, long epoch) {
        return mix(mix(seed + GOLDEN) + epoch * GOLDEN);
    }

    /** The finalizer of SplitMix64. */
    static long mix(long z) {
        long a = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        long b = (a ^ (a >>> 27)) * 0x94D049BB133111EBL;
        return b ^ (b >>> 31);
    }

    /** The number at a place. */
    long at(long index) {
        long value = index;
        do {
            value = encrypt(value);
        } while (value >= size); // under four times on average: the range is less than 4n
        return value;
    }

    private long encrypt(long value) {
        long left = value >>> halfBits;
        long right = value & halfMask;
        for (long key : keys) {
            long next = left ^ (mix(right ^ key) & halfMask);
            left = right;
            right = next;
        }
        return left << halfBits | right;
    }
}
