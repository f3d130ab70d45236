package ai.molae.spec;

import java.util.Locale;

/** Argument checks whose messages carry the offending numbers. */
final class Checks {

    private Checks() {}

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be a dependency
    static void check(boolean condition, String format, Object... args) {
        if (!condition) {
            throw new IllegalArgumentException(String.format(Locale.ROOT, format, args));
        }
    }

    static void positive(String name, long value) {
        check(value > 0, "%s must be positive, got %d", name, value);
    }

    static void finiteNonNegative(String name, double value) {
        check(Double.isFinite(value) && value >= 0, "%s must be finite and at least 0, got %s", name, value);
    }

    static void finitePositive(String name, double value) {
        check(Double.isFinite(value) && value > 0, "%s must be finite and positive, got %s", name, value);
    }
}
