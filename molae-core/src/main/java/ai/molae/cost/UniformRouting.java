package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.ExpertGroups;

/**
 * Expectations when every token independently chooses K of N experts, all C(N, K) choices equally likely. A router that
 * favours some experts touches fewer; one limited to device groups may touch fewer groups.
 */
public final class UniformRouting {

    private UniformRouting() {}

    /**
     * The expected number of experts that at least one of T tokens chooses, {@code N (1 − (1 − K/N)^T)}.
     *
     * @param numExperts N
     * @param topK K
     * @param tokens T
     * @return between K and N
     * @throws IllegalArgumentException if K is not between 1 and N or T is not positive
     */
    public static double distinctExperts(int numExperts, int topK, long tokens) {
        checkArguments(numExperts, topK, tokens);
        if (tokens == 1) {
            return topK; // exactly, so that counts of one token are whole numbers
        }
        return -numExperts * Math.expm1(tokens * Math.log1p(-(double) topK / numExperts));
    }

    /**
     * The expected number of groups with at least one expert that a token chooses:
     *
     * <pre>
     *   E[D] = Σ_g (1 − C(N−k_g, K) / C(N, K))
     * </pre>
     *
     * for any partition into groups of k_g experts.
     *
     * @param groups the partition of the N experts
     * @param topK K
     * @return E[D], between 1 and min(K, G)
     * @throws IllegalArgumentException if K is not between 1 and N
     */
    public static double distinctGroups(ExpertGroups groups, int topK) {
        return distinctGroups(groups, topK, 1);
    }

    /**
     * The expected number of groups with at least one expert that at least one of T tokens chooses:
     *
     * <pre>
     *   Σ_g (1 − (C(N−k_g, K) / C(N, K))^T)
     * </pre>
     *
     * @param groups the partition of the N experts
     * @param topK K
     * @param tokens T
     * @return between 1 and G
     * @throws IllegalArgumentException if K is not between 1 and N or T is not positive
     */
    public static double distinctGroups(ExpertGroups groups, int topK, long tokens) {
        int numExperts = groups.numExperts();
        checkArguments(numExperts, topK, tokens);
        double expected = 0;
        for (int size : groups.sizes()) {
            expected -= Math.expm1(tokens * logMissed(numExperts, size, topK));
        }
        return expected;
    }

    /**
     * ln(C(N−k, K) / C(N, K)) as a sum over the smaller of k and K (the ratio is symmetric in them), without large
     * factorials.
     */
    private static double logMissed(int numExperts, int groupSize, int topK) {
        if (numExperts - groupSize < topK) {
            return Double.NEGATIVE_INFINITY;
        }
        int fewer = Math.min(groupSize, topK);
        double more = Math.max(groupSize, topK);
        double log = 0;
        for (int j = 0; j < fewer; j++) {
            log += Math.log1p(-more / (numExperts - j));
        }
        return log;
    }

    private static void checkArguments(int numExperts, int topK, long tokens) {
        Checks.check(
                topK >= 1 && topK <= numExperts,
                "topK must be between 1 and numExperts = %d, got %d",
                numExperts,
                topK);
        Checks.positive("tokens", tokens);
    }
}
