package ai.molae.spec;

/** The standard normal distribution to double precision, which the JDK lacks; exact GELU needs it. */
final class NormalDistribution {

    private static final double SQRT_2_PI = Math.sqrt(2 * Math.PI);
    /** Below this the power series converges fast without cancellation; above it the continued fraction does. */
    private static final double SERIES_LIMIT = 3;

    private NormalDistribution() {}

    static double density(double x) {
        return Math.exp(-x * x / 2) / SQRT_2_PI;
    }

    static double cdf(double x) {
        if (Double.isNaN(x)) {
            return Double.NaN;
        }
        if (Math.abs(x) < SERIES_LIMIT) {
            return 0.5 + density(x) * oddSeries(x);
        }
        return x > 0 ? 1 - upperTail(x) : upperTail(-x);
    }

    /** {@code x + x³/3 + x⁵/(3·5) + …}, so that Φ(x) = ½ + φ(x) · series. */
    private static double oddSeries(double x) {
        double term = x;
        double sum = x;
        for (int i = 3; Math.abs(term) > 1e-17 * Math.abs(sum); i += 2) {
            term *= x * x / i;
            sum += term;
        }
        return sum;
    }

    /** Mills' ratio as Laplace's continued fraction, {@code φ(x) / (x + 1/(x + 2/(x + 3/…)))}, for x ≥ 3. */
    private static double upperTail(double x) {
        double fraction = x;
        for (int i = 200; i > 0; i--) {
            fraction = x + i / fraction;
        }
        return density(x) / fraction;
    }
}
