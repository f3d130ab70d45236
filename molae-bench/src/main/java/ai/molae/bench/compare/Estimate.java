package ai.molae.bench.compare;

import ai.molae.bench.results.Quartiles;
import java.util.Arrays;

/**
 * A median and how well it is known.
 *
 * @param median of the values, positive
 * @param relativeError standard error of the median as a share of it, as far as the values of one run tell
 */
public record Estimate(double median, double relativeError) {

    /** Quartiles of a normal distribution are so many standard deviations apart. */
    private static final double IQR_OF_NORMAL = 1.349;

    /** The median of normal values varies so much more than their mean. */
    private static final double MEDIAN_OVER_MEAN = 1.2533;

    /**
     * Checks the values.
     *
     * @param median of the values
     * @param relativeError standard error of the median as a share of it
     */
    public Estimate {
        if (!(median > 0) || !Double.isFinite(median) || !(relativeError >= 0)) {
            throw new IllegalArgumentException(
                    "an estimate is positive and finite, got " + median + " with an error of " + relativeError);
        }
    }

    /**
     * The estimate that values give: their spread comes from the quartiles, so that single outliers count for nothing.
     *
     * @param values at least one, positive
     * @return their median and its error
     */
    public static Estimate of(double... values) {
        Quartiles quartiles = Quartiles.of(Arrays.stream(values).boxed().toList());
        double deviation = quartiles.relativeSpread() / IQR_OF_NORMAL;
        return new Estimate(quartiles.median(), MEDIAN_OVER_MEAN * deviation / Math.sqrt(values.length));
    }
}
