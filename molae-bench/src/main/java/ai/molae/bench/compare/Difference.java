package ai.molae.bench.compare;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * How a trial differs between two runs.
 *
 * @param name of the trial
 * @param group of the trial
 * @param before its quantity in the first run
 * @param after its quantity in the second
 * @param log logarithm of after over before, as far as it counts
 * @param measured the logarithms whose spread is noise: that of the quantity itself, and of a time that over the roofline, if it is known
 */
record Difference(String name, String group, Estimate before, Estimate after, double log, List<Double> measured) {

    /** The difference of a quantity, or empty if one of the runs does not have it. */
    static Optional<Difference> of(Quantity quantity, Measured before, Measured after) {
        Optional<Double> log = log(quantity, before, after);
        if (log.isEmpty()) {
            return Optional.empty();
        }
        Optional<Double> overRoofline =
                quantity == Quantity.TIME ? log(Quantity.TIME_OVER_ROOFLINE, before, after) : Optional.empty();
        return Optional.of(new Difference(
                before.name(),
                before.group(),
                quantity(before, quantity).orElseThrow(),
                quantity(after, quantity).orElseThrow(),
                overRoofline.map(other -> agreed(log.get(), other)).orElse(log.get()),
                Stream.concat(log.stream(), overRoofline.stream()).toList()));
    }

    private static Optional<Estimate> quantity(Measured trial, Quantity quantity) {
        Map<Quantity, Estimate> quantities = trial.quantities();
        return Optional.ofNullable(quantities.get(quantity));
    }

    private static Optional<Double> log(Quantity quantity, Measured before, Measured after) {
        return quantity(before, quantity)
                .flatMap(old -> quantity(after, quantity).map(now -> Math.log(now.median() / old.median())));
    }

    /** The smaller of both changes if they have one direction, else none. */
    private static double agreed(double time, double overRoofline) {
        if (Math.signum(time) != Math.signum(overRoofline)) {
            return 0;
        }
        return Math.abs(time) < Math.abs(overRoofline) ? time : overRoofline;
    }

    /** The logarithm for the quantity as measured, whatever the ceilings did. */
    double raw() {
        return measured.get(0);
    }

    /** What the iterations of both processes say about the error, squared. */
    double ownVariance() {
        return before.relativeError() * before.relativeError() + after.relativeError() * after.relativeError();
    }
}
