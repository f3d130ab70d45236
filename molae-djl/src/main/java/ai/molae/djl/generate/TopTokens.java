package ai.molae.djl.generate;

import java.util.Arrays;
import java.util.PriorityQueue;

/** The ids of the highest scores. */
final class TopTokens {

    private TopTokens() {}

    /** The {@code count} ids of the highest scores, or all, the highest first; of equal ones the lower id first. */
    static int[] of(float[] scores, int count) {
        // Primitive keys of (score, falling id): sorting boxed ids of a large vocabulary would cost more than a layer.
        long[] keys = new long[scores.length];
        for (int i = 0; i < scores.length; i++) {
            int bits = Float.floatToIntBits(scores[i] + 0f); // no minus zero
            int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
            keys[i] = ((long) ordered << 32) | (scores.length - 1 - i);
        }
        if (count < keys.length) {
            keys = largest(keys, count);
        }
        Arrays.sort(keys);
        int[] ids = new int[keys.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = scores.length - 1 - (int) keys[keys.length - 1 - i];
        }
        return ids;
    }

    private static long[] largest(long[] keys, int count) {
        PriorityQueue<Long> kept = new PriorityQueue<>(count + 1);
        for (long key : keys) {
            if (kept.size() < count) {
                kept.add(key);
            } else if (count > 0 && key > kept.element()) {
                kept.remove();
                kept.add(key);
            }
        }
        return kept.stream().mapToLong(Long::longValue).toArray();
    }
}
