package ai.molae.bench.workload;

/** How often experts are chosen. */
public enum ExpertLoad {
    /** All are as likely. */
    BALANCED,
    /** The i-th most popular expert is 1 / i as likely as the first (Zipf's law). */
    ZIPF;

    /**
     * The logarithm of an expert's popularity.
     *
     * @param rank 0 for the most popular
     * @return what its logit is raised by
     */
    double logPopularity(int rank) {
        return this == BALANCED ? 0 : -Math.log(rank + 1.0);
    }
}
