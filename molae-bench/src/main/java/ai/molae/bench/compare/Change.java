package ai.molae.bench.compare;

import java.util.Collection;

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

    /** The same, and no change unless one of the others has the same verdict on the same. */
    Change confirmedBy(Collection<Change> others) {
        boolean confirmed = others.stream()
                .anyMatch(other -> other.name.equals(name) && other.quantity == quantity && other.verdict == verdict);
        return new Change(name, quantity, before, after, low, high, confirmed ? verdict : Verdict.SAME);
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
