package ai.molae.cli;

/** Checks of options whose messages have the flag, the limits and the number. */
final class Ranges {

    private Ranges() {}

    static int between(String flag, int value, int least, int most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(flag + " must be between " + least + " and " + most + ", got " + value);
        }
        return value;
    }

    static int positive(String flag, int value) {
        return (int) positive(flag, (long) value);
    }

    static long positive(String flag, long value) {
        if (value < 1) {
            throw new IllegalArgumentException(flag + " must be at least 1, got " + value);
        }
        return value;
    }

    static double finitePositive(String flag, double value) {
        if (!Double.isFinite(value) || value <= 0) {
            throw new IllegalArgumentException(flag + " must be a positive number, got " + value);
        }
        return value;
    }
}
