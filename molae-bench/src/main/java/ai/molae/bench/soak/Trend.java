package ai.molae.bench.soak;

import ai.molae.bench.results.Quartiles;
import java.util.Arrays;

/**
 * Whether a quantity grows over a run, told from the second half of its readings: at the beginning caches fill and the JVM compiles.
 *
 * <p>It grows if the line of least squares through them rises over the half by more than a tolerance and, unless it is counted piece by piece
 * ({@link Gauge#isCounted()}), the slope of the line is more than {@link #ERRORS} standard errors: readings of memory scatter.
 * The standard error is the usual one, √(Σ residual² / (n - 2) / Σ (x - x̄)²), times √((1 + r) / (1 - r)): readings that follow each other are alike, and count
 * for fewer. r is the correlation ρ of a residual with the one before, if positive, as (n ρ + 2) / (n - 4), because ρ is too small by (2 + 4 r) / n where a
 * line was taken out.
 *
 * @param firstMedian median of the first quarter of the judged half
 * @param lastMedian median of its last quarter
 * @param slope rise per unit of x
 * @param error its standard error
 * @param rise of the line, from the first x of the half to the last
 * @param tolerance the largest rise that counts as none
 * @param grows whether it does; what cannot be read does not
 */
record Trend(
        double firstMedian,
        double lastMedian,
        double slope,
        double error,
        double rise,
        double tolerance,
        boolean grows) {

    /** So many standard errors a slope must be to be one. */
    static final double ERRORS = 4;

    /** Fewer readings in the half tell nothing. */
    static final int LEAST_READINGS = 8;

    private static final double GREATEST_CORRELATION = 0.98;

    /**
     * Fits a line.
     *
     * @param x when, ascending
     * @param y the readings
     * @param gauge what was read
     * @return the trend of the second half
     * @throws IllegalArgumentException if there are too few readings
     */
    static Trend of(double[] x, double[] y, Gauge gauge) {
        int from = x.length / 2;
        int n = x.length - from;
        if (n < LEAST_READINGS) {
            throw new IllegalArgumentException(
                    "a trend needs " + 2 * LEAST_READINGS + " readings, there are " + x.length + "; let it run longer");
        }
        double[] late = Arrays.copyOfRange(x, from, x.length);
        double[] read = Arrays.copyOfRange(y, from, y.length);
        double xMean = mean(late);
        double yMean = mean(read);
        double xx = 0;
        double xy = 0;
        for (int i = 0; i < n; i++) {
            xx += (late[i] - xMean) * (late[i] - xMean);
            xy += (late[i] - xMean) * (read[i] - yMean);
        }
        double slope = xy / xx;
        double[] residuals = new double[n];
        for (int i = 0; i < n; i++) {
            residuals[i] = read[i] - yMean - slope * (late[i] - xMean);
        }
        double error = Math.sqrt(squares(residuals) / (n - 2) / xx) * inflation(residuals);
        double firstMedian = Quartiles.median(Arrays.copyOfRange(read, 0, Math.max(1, n / 4)));
        double lastMedian = Quartiles.median(Arrays.copyOfRange(read, n - Math.max(1, n / 4), n));
        double rise = slope * (late[n - 1] - late[0]);
        double tolerance = gauge.tolerance(Quartiles.median(read));
        boolean grows = rise > tolerance && (gauge.isCounted() || slope > ERRORS * error);
        return new Trend(firstMedian, lastMedian, slope, error, rise, tolerance, grows);
    }

    /** How much less certain readings make that follow each other. */
    private static double inflation(double[] residuals) {
        double squares = squares(residuals);
        if (squares == 0) {
            return 1;
        }
        double products = 0;
        for (int i = 1; i < residuals.length; i++) {
            products += residuals[i] * residuals[i - 1];
        }
        int n = residuals.length;
        double r = Math.max(0, Math.min(GREATEST_CORRELATION, (n * products / squares + 2) / (n - 4)));
        return Math.sqrt((1 + r) / (1 - r));
    }

    private static double squares(double[] values) {
        return Arrays.stream(values).map(v -> v * v).sum();
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).average().orElse(Double.NaN);
    }
}
