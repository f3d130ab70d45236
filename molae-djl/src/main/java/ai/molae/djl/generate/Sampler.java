package ai.molae.djl.generate;

import java.util.Arrays;
import java.util.BitSet;
import java.util.PriorityQueue;
import java.util.Random;

/**
 * Chooses tokens from logits in plain Java, so that equal logits and equal seeds give equal tokens everywhere. Of equally probable tokens
 * the one with the lower id comes first.
 *
 * <p>Holds the state of the random numbers: one sampler per text, one thread at a time.
 */
public final class Sampler {

    private final Sampling sampling;
    private final Random random;

    /**
     * A sampler at the beginning of its random numbers.
     *
     * @param sampling how to choose
     */
    public Sampler(Sampling sampling) {
        this.sampling = sampling;
        random = new Random(sampling.seed());
    }

    /**
     * Chooses the next token.
     *
     * @param logits the logit of each token id, {@code [V]}; not changed
     * @param seen ids already in the sequence, for the repetition penalty
     * @return the chosen id
     * @throws IllegalArgumentException if there is no logit, all are minus infinity, or one is plus infinity or not a number
     */
    public int next(float[] logits, BitSet seen) {
        float[] scores = penalized(logits, seen);
        checkScores(scores);
        return sampling.temperature() == 0 ? argmax(scores) : draw(probabilities(scores));
    }

    /** The logits after the repetition penalty. */
    float[] penalized(float[] logits, BitSet seen) {
        float[] scores = logits.clone();
        for (int id = seen.nextSetBit(0); id >= 0 && id < scores.length; id = seen.nextSetBit(id + 1)) {
            double penalty = sampling.repetitionPenalty();
            scores[id] = (float) (scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty);
        }
        return scores;
    }

    /** The distribution that is drawn from: zero for tokens that top-k or top-p leaves out. */
    double[] probabilities(float[] scores) {
        double max = scores[argmax(scores)];
        double[] probabilities = new double[scores.length];
        for (int i = 0; i < scores.length; i++) {
            probabilities[i] = Math.exp((scores[i] - max) / sampling.temperature());
        }
        if (limitedByTopK(scores) || sampling.topP() < 1) {
            int[] kept = mostProbable(scores);
            kept = Arrays.copyOf(kept, nucleusSize(kept, probabilities));
            double[] filtered = new double[scores.length];
            for (int id : kept) {
                filtered[id] = probabilities[id];
            }
            probabilities = filtered;
        }
        double sum = Arrays.stream(probabilities).sum();
        for (int i = 0; i < probabilities.length; i++) {
            probabilities[i] /= sum;
        }
        return probabilities;
    }

    private boolean limitedByTopK(float[] scores) {
        return sampling.topK() > 0 && sampling.topK() < scores.length;
    }

    /** The top-k ids, or all, the most probable first. */
    private int[] mostProbable(float[] scores) {
        // Primitive keys of (score, falling id): sorting boxed ids of a large vocabulary would cost more than a layer.
        long[] keys = new long[scores.length];
        for (int i = 0; i < scores.length; i++) {
            int bits = Float.floatToIntBits(scores[i] + 0f); // no minus zero
            int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
            keys[i] = ((long) ordered << 32) | (scores.length - 1 - i);
        }
        if (limitedByTopK(scores)) {
            keys = largest(keys, sampling.topK());
        }
        Arrays.sort(keys);
        int[] ids = new int[keys.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = scores.length - 1 - (int) keys[keys.length - 1 - i];
        }
        return ids;
    }

    private static long[] largest(long[] keys, int count) {
        PriorityQueue<Long> kept = new PriorityQueue<>(count);
        for (long key : keys) {
            if (kept.size() < count) {
                kept.add(key);
            } else if (key > kept.element()) {
                kept.remove();
                kept.add(key);
            }
        }
        return kept.stream().mapToLong(Long::longValue).toArray();
    }

    /** How many of the ids it takes to reach top-p of their total weight. */
    private int nucleusSize(int[] ids, double[] weights) {
        if (sampling.topP() == 1) {
            return ids.length;
        }
        double total = 0;
        for (int id : ids) {
            total += weights[id];
        }
        double reached = 0;
        int size = 0;
        while (size < ids.length && reached < sampling.topP() * total) {
            reached += weights[ids[size++]];
        }
        return size;
    }

    private int draw(double[] probabilities) {
        double left = random.nextDouble();
        int last = 0;
        for (int i = 0; i < probabilities.length; i++) {
            if (probabilities[i] > 0) {
                left -= probabilities[i];
                last = i;
                if (left < 0) {
                    break;
                }
            }
        }
        // Rounding may leave a little beyond the last one.
        return last;
    }

    private static int argmax(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            if (scores[i] > scores[best]) {
                best = i;
            }
        }
        return best;
    }

    private static void checkScores(float[] scores) {
        boolean any = false;
        for (int i = 0; i < scores.length; i++) {
            if (Float.isNaN(scores[i]) || scores[i] == Float.POSITIVE_INFINITY) {
                throw new IllegalArgumentException("logit " + i + " is " + scores[i]
                        + ", nothing can be chosen; the model's weights or its computation have overflowed");
            }
            any |= scores[i] != Float.NEGATIVE_INFINITY;
        }
        if (!any) {
            throw new IllegalArgumentException("none of the " + scores.length + " logits is above minus infinity");
        }
    }
}
