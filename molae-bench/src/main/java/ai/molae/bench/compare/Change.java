package ai.molae.bench.compare;

/**
 * How a quantity changed between two runs: after over before, with an interval.
 *
 * @param name of the trial, or of the group with the number of its trials
 * @param quantity what changed
 * @param before the median before; of a group the geometric mean
 * @param after the median after; of a group the geometric mean
 * @param low the least ratio that the measurements allow
 * @param high the greatest
 * @param verdict what follows
 */
public record Change(
        String name, Quantity quantity, double before, double after, double low, double high, Verdict verdict) {

    /** What a change is. */
    public enum Verdict {
        /** More of what less is better of, beyond noise and threshold. */
        REGRESSION,
        /** Less, beyond noise and threshold. */
        IMPROVEMENT,
        /** Nothing that the measurements show. */
        SAME
    }

    /**
     * After over before.
     *
     * @return above 1 if there is more
     */
    public double ratio() {
        return after / before;
    }
}
