package ai.molae.djl.convert.report;

/**
 * From where a factored operator has fewer parameters than a dense one: {@code N m r + G n r < N m n}, of N experts in G groups.
 */
final class BreakEven {

    private BreakEven() {}

    /**
     * The largest r that saves parameters, below {@code N m n / (N m + G n)}.
     *
     * @param experts N
     * @param groups G
     * @param m the operator's own side
     * @param n the shared side
     * @return r; 0 if none does
     */
    static int rank(long experts, long groups, long m, long n) {
        long dense = Math.multiplyExact(Math.multiplyExact(experts, m), n);
        return (int) ((dense - 1) / (experts * m + groups * n));
    }

    /**
     * The size that groups must exceed to save parameters, {@code k = n r / (m (n − r))}; with r = m it is {@code n / (n − m)}
     * (Liu et al., arXiv 2503.23100).
     *
     * @param m the operator's own side
     * @param n the shared side
     * @param r the latent size
     * @return k; infinite if no group is large enough
     */
    static double groupSize(long m, long n, long r) {
        return r >= n ? Double.POSITIVE_INFINITY : (double) n * r / ((double) m * (n - r));
    }
}
