package ai.molae.route;

import java.util.Arrays;

/**
 * How evenly the experts of a layer are used, over one batch or many. Without any token a layer counts as balanced.
 *
 * @param tokensPerExpert {@code [N]} how many tokens chose each expert, before any capacity; copied in and out
 * @param dropped how many of these choices found their expert full
 */
@SuppressWarnings("ArrayRecordComponent") // copied in and out, compared by value below
public record LoadStatistics(long[] tokensPerExpert, long dropped) {

    /**
     * Copies and checks the counts.
     *
     * @param tokensPerExpert {@code [N]} how many tokens chose each expert
     * @param dropped how many of these choices found their expert full
     * @throws IllegalArgumentException if there is no expert, a count is negative, or more are dropped than chosen
     */
    public LoadStatistics {
        tokensPerExpert = tokensPerExpert.clone();
        check(tokensPerExpert.length > 0, "load statistics need at least one expert, got none");
        for (int i = 0; i < tokensPerExpert.length; i++) {
            check(tokensPerExpert[i] >= 0, "expert " + i + " has " + tokensPerExpert[i] + " tokens");
        }
        long chosen = Arrays.stream(tokensPerExpert).sum();
        check(dropped >= 0 && dropped <= chosen, dropped + " dropped of " + chosen + " choices");
    }

    private static void check(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }

    /**
     * The statistics of one batch; dropped is {@code Σ max(0, n_i − capacity)}.
     *
     * @param counts {@code [N]} how many tokens chose each expert, see {@link Routing#tokensPerExpert()}
     * @param capacity the most tokens an expert takes, see {@link ai.molae.spec.MoeSpec#capacity}; T when dropless
     * @return the statistics
     * @throws IllegalArgumentException if there is no expert, or a count or the capacity is negative
     */
    public static LoadStatistics of(long[] counts, int capacity) {
        check(capacity >= 0, "capacity must be at least 0, got " + capacity);
        return new LoadStatistics(
                counts,
                Arrays.stream(counts).map(n -> Math.max(0, n - capacity)).sum());
    }

    /**
     * The statistics of two batches together. What was dropped adds up, whatever the capacity of either.
     *
     * @param other the statistics of the same layer over other tokens
     * @return the sum
     * @throws IllegalArgumentException if the numbers of experts differ
     */
    public LoadStatistics plus(LoadStatistics other) {
        check(
                other.tokensPerExpert.length == tokensPerExpert.length,
                "cannot add the load of " + other.tokensPerExpert.length + " experts to that of "
                        + tokensPerExpert.length);
        long[] sum = tokensPerExpert.clone();
        for (int i = 0; i < sum.length; i++) {
            sum[i] += other.tokensPerExpert[i];
        }
        return new LoadStatistics(sum, dropped + other.dropped);
    }

    /**
     * How many tokens chose each expert, before any capacity.
     *
     * @return {@code [N]}, a new array
     */
    @Override
    public long[] tokensPerExpert() {
        return tokensPerExpert.clone();
    }

    /**
     * All choices, dropped ones included.
     *
     * @return Σ n_i
     */
    public long total() {
        return Arrays.stream(tokensPerExpert).sum();
    }

    /**
     * The load of the busiest expert relative to the mean: how much longer the layer takes than it would if balanced.
     *
     * @return {@code max n_i / mean n_i}, from 1 (balanced) to N
     */
    public double imbalance() {
        long max = Arrays.stream(tokensPerExpert).max().orElse(0);
        return max == 0 ? 1 : max / mean();
    }

    /**
     * How many experts no token chose.
     *
     * @return the number of experts with {@code n_i = 0}
     */
    public int idleExperts() {
        return (int) Arrays.stream(tokensPerExpert).filter(n -> n == 0).count();
    }

    /**
     * The entropy of the load relative to the largest possible.
     *
     * @return {@code −Σ q_i ln q_i / ln N} with {@code q_i = n_i / Σ n}, from 0 (one expert takes all) to 1 (balanced)
     */
    public double normalisedEntropy() {
        long total = total();
        if (total == 0 || tokensPerExpert.length == 1) {
            return 1;
        }
        double entropy = 0;
        for (long n : tokensPerExpert) {
            double q = (double) n / total;
            entropy -= n == 0 ? 0 : q * Math.log(q);
        }
        return entropy / Math.log(tokensPerExpert.length);
    }

    /**
     * The standard deviation of the load (of the population) relative to its mean.
     *
     * @return {@code std n_i / mean n_i}, from 0 (balanced)
     */
    public double coefficientOfVariation() {
        if (total() == 0) {
            return 0;
        }
        double mean = mean();
        double variance = Arrays.stream(tokensPerExpert)
                .mapToDouble(n -> (n - mean) * (n - mean))
                .average()
                .orElse(0);
        return Math.sqrt(variance) / mean;
    }

    private double mean() {
        return (double) total() / tokensPerExpert.length;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof LoadStatistics that
                && Arrays.equals(tokensPerExpert, that.tokensPerExpert)
                && dropped == that.dropped;
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(tokensPerExpert) + Long.hashCode(dropped);
    }

    @Override
    public String toString() {
        return "LoadStatistics[tokensPerExpert=" + Arrays.toString(tokensPerExpert) + ", dropped=" + dropped + "]";
    }
}
