package ai.molae.internal;

import java.util.Locale;

/** Argument checks whose messages carry the offending numbers, and exact products. Not for users of molae. */
public final class Checks {

    private Checks() {}

    /**
     * Refuses an argument.
     *
     * @param condition what must hold
     * @param format the message if it does not
     * @param args the numbers in the message
     * @throws IllegalArgumentException if the condition does not hold
     */
    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be a dependency
    public static void check(boolean condition, String format, Object... args) {
        if (!condition) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, format, args));
        }
    }

    /**
     * Refuses what is not positive.
     *
     * @param name name of the argument
     * @param value its value
     * @throws IllegalArgumentException if it is not positive
     */
    public static void positive(String name, long value) {
        check(value > 0, "%s must be positive, got %d", name, value);
    }

    /**
     * Refuses what is not finite and positive.
     *
     * @param name name of the argument
     * @param value its value
     * @throws IllegalArgumentException if it is not finite and positive
     */
    public static void finitePositive(String name, double value) {
        check(Double.isFinite(value) && value > 0, "%s must be finite and positive, got %s", name, value);
    }

    /**
     * Refuses what is negative or not finite.
     *
     * @param name name of the argument
     * @param value its value
     * @throws IllegalArgumentException if it is negative, NaN or infinite
     */
    public static void finiteNonNegative(String name, double value) {
        check(Double.isFinite(value) && value >= 0, "%s must be finite and at least 0, got %s", name, value);
    }

    /**
     * The product of some factors.
     *
     * @param factors the factors
     * @return their exact product
     * @throws ArithmeticException if it exceeds a long
     */
    public static long product(long... factors) {
        long product = 1;
        for (long factor : factors) {
            product = Math.multiplyExact(product, factor);
        }
        return product;
    }
}
