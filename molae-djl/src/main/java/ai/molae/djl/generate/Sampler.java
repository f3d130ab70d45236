package ai.molae.djl.generate;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
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

    /**
     * Chooses the next token, the same one as {@link #next}, and tells how probable it was to the model itself: before repetition penalty,
     * temperature and the limits of the sampling.
     *
     * @param logits the logit of each token id, {@code [V]}; not changed
     * @param seen ids already in the sequence, for the repetition penalty
     * @param topLogprobs how many of the most probable tokens to tell too; all if there are fewer
     * @return the chosen id with its log-probability, and the most probable ones
     * @throws IllegalArgumentException if there is no logit, all are minus infinity, one is plus infinity or not a number, or
     *     {@code topLogprobs} is negative
     */
    public Choice choose(float[] logits, BitSet seen, int topLogprobs) {
        if (topLogprobs < 0) {
            throw new IllegalArgumentException("topLogprobs must be at least 0, got " + topLogprobs);
        }
        int token = next(logits, seen);
        double normalizer = logSumExp(logits);
        List<TokenLogprob> top = Arrays.stream(TopTokens.of(logits, topLogprobs))
                .mapToObj(id -> new TokenLogprob(id, logits[id] - normalizer))
                .toList();
        return new Choice(token, logits[token] - normalizer, top);
    }

    /**
     * The log-probability of a token under the model's own distribution, {@code log_softmax(logits)[token]}.
     *
     * @param logits the logit of each token id, {@code [V]}; not changed
     * @param token an id
     * @return its log-probability, at most 0
     * @throws IllegalArgumentException if the id is not in [0, V), or the logits are no distribution as in {@link #next}
     */
    public static double logprob(float[] logits, int token) {
        if (token < 0 || token >= logits.length) {
            throw new IllegalArgumentException("token " + token + " has no logit, there are " + logits.length);
        }
        checkScores(logits);
        return logits[token] - logSumExp(logits);
    }

    private static double logSumExp(float[] logits) {
        double max = logits[argmax(logits)];
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        return max + Math.log(sum);
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

    /** The distribution that is drawn from: zero for tokens that top-k, top-p or min-p leaves out. */
    double[] probabilities(float[] scores) {
        double max = scores[argmax(scores)];
        double[] probabilities = new double[scores.length];
        for (int i = 0; i < scores.length; i++) {
            probabilities[i] = Math.exp((scores[i] - max) / sampling.temperature());
        }
        if (limitedByTopK(scores) || sampling.topP() < 1) {
            int[] kept = TopTokens.of(scores, sampling.topK() == 0 ? scores.length : sampling.topK());
            kept = Arrays.copyOf(kept, nucleusSize(kept, probabilities));
            double[] filtered = new double[scores.length];
            for (int id : kept) {
                filtered[id] = probabilities[id];
            }
            probabilities = filtered;
        }
        for (int i = 0; i < probabilities.length; i++) {
            if (probabilities[i] < sampling.minP()) { // the most probable token has 1
                probabilities[i] = 0;
            }
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

    /**
     * A token and how probable the model found it.
     *
     * @param token its id
     * @param logprob natural logarithm of its probability, at most 0
     */
    public record TokenLogprob(int token, double logprob) {}

    /**
     * A chosen token and how probable the model found it and others.
     *
     * @param token the chosen id
     * @param logprob natural logarithm of its probability, at most 0
     * @param top the most probable tokens, best first; the chosen one need not be among them
     */
    public record Choice(int token, double logprob, List<TokenLogprob> top) {

        /**
         * Copies the list.
         *
         * @param token the chosen id
         * @param logprob natural logarithm of its probability
         * @param top the most probable tokens
         */
        public Choice {
            top = List.copyOf(top);
        }
    }
}
