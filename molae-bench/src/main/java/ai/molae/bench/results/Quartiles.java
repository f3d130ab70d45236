package ai.molae.bench.results;

import java.util.Arrays;
import java.util.Collection;

/**
 * The middle of some numbers and where their middle half lies, interpolated between neighbours (Hyndman and Fan's type 7).
 *
 * @param lower a quarter is below
 * @param median half is below
 * @param upper three quarters are below
 */
public record Quartiles(double lower, double median, double upper) {

    /** Of no numbers. */
    public static final Quartiles NONE = new Quartiles(Double.NaN, Double.NaN, Double.NaN);

    /**
     * Of numbers.
     *
     * @param numbers in any order
     * @return their quartiles, NaN without numbers
     */
    public static Quartiles of(Collection<Double> numbers) {
        double[] sorted =
                numbers.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        return sorted.length == 0 ? NONE : new Quartiles(at(sorted, 0.25), at(sorted, 0.5), at(sorted, 0.75));
    }

    /**
     * The median.
     *
     * @param numbers in any order
     * @return their median, NaN without numbers
     */
    public static double median(double... numbers) {
        return of(Arrays.stream(numbers).boxed().toList()).median();
    }

    private static double at(double[] sorted, double share) {
        double place = share * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    /**
     * How far apart the quartiles are.
     *
     * @return (upper − lower) / median
     */
    public double relativeSpread() {
        return (upper - lower) / median;
    }

    /**
     * In another unit.
     *
     * @param factor what each is multiplied by, positive
     * @return the products
     */
    Quartiles times(double factor) {
        return new Quartiles(lower * factor, median * factor, upper * factor);
    }
}
