package ai.molae.cli.options;

/** Checks of options whose messages have the flag, the limits and the number. */
public final class Ranges {

    private Ranges() {}

    /**
     * A value between two limits.
     *
     * @param flag its flag
     * @param value the value
     * @param least the lower limit
     * @param most the upper limit
     * @return the value
     * @throws IllegalArgumentException if it is not
     */
    public static int between(String flag, int value, int least, int most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(flag + " must be between " + least + " and " + most + ", got " + value);
        }
        return value;
    }

    /**
     * A value of at least 1.
     *
     * @param flag its flag
     * @param value the value
     * @return the value
     * @throws IllegalArgumentException if it is not
     */
    public static int positive(String flag, int value) {
        return (int) positive(flag, (long) value);
    }

    /**
     * A value of at least 1.
     *
     * @param flag its flag
     * @param value the value
     * @return the value
     * @throws IllegalArgumentException if it is not
     */
    public static long positive(String flag, long value) {
        if (value < 1) {
            throw new IllegalArgumentException(flag + " must be at least 1, got " + value);
        }
        return value;
    }

    /**
     * A finite value above 0.
     *
     * @param flag its flag
     * @param value the value
     * @return the value
     * @throws IllegalArgumentException if it is not
     */
    public static double finitePositive(String flag, double value) {
        if (!Double.isFinite(value) || value <= 0) {
            throw new IllegalArgumentException(flag + " must be a positive number, got " + value);
        }
        return value;
    }
}
