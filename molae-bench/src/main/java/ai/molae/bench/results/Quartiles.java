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
        double[] all = numbers.stream().mapToDouble(Double::doubleValue).toArray();
        return new Quartiles(quantile(0.25, all), quantile(0.5, all), quantile(0.75, all));
    }

    /**
     * The median.
     *
     * @param numbers in any order
     * @return their median, NaN without numbers
     */
    public static double median(double... numbers) {
        return quantile(0.5, numbers);
    }

    /**
     * A quantile, by type 7 as well.
     *
     * @param share of the numbers that are below it, 0 to 1
     * @param numbers in any order; they stay as they are
     * @return NaN without numbers
     */
    public static double quantile(double share, double... numbers) {
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("the share of a quantile is 0 to 1, got " + share);
        }
        if (numbers.length == 0) {
            return Double.NaN;
        }
        double[] sorted = numbers.clone();
        Arrays.sort(sorted);
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
     * Half the distance between the quartiles beside the median: what stands behind ± in tables.
     *
     * @return (upper − lower) / (2 median)
     */
    public double spread() {
        return relativeSpread() / 2;
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
