package ai.molae.cost;

/** Argument checks whose messages carry the offending numbers, and exact products. */
final class Checks {

    private Checks() {}

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be a dependency
    static void check(boolean condition, String format, Object... args) {
        if (!condition) {
            throw new IllegalArgumentException(String.format(format, args));
        }
    }

    static void positive(String name, long value) {
        check(value > 0, "%s must be positive, got %d", name, value);
    }

    static void finitePositive(String name, double value) {
        check(Double.isFinite(value) && value > 0, "%s must be finite and positive, got %s", name, value);
    }

    static void finiteNonNegative(String name, double value) {
        check(Double.isFinite(value) && value >= 0, "%s must be finite and at least 0, got %s", name, value);
    }

    static void weightType(ElementType type) {
        check(type != ElementType.INT64, "INT64 is for indices; weights are FLOAT32, BFLOAT16, FLOAT16 or INT8");
    }

    static void trainableType(ElementType type) {
        check(type.differentiable(), "%s weights cannot be trained; use FLOAT32, BFLOAT16 or FLOAT16", type);
    }

    static long product(long... factors) {
        long product = 1;
        for (long factor : factors) {
            product = Math.multiplyExact(product, factor);
        }
        return product;
    }
}
