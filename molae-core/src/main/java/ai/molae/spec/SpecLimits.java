package ai.molae.spec;

import ai.molae.internal.Checks;

/**
 * The largest numbers a spec may have: far more than any model, and so few that no sum of parameters, bytes or FLOPs overflows and no
 * typing error fills the memory.
 */
public final class SpecLimits {

    /** The largest width, count of heads or vocabulary. */
    public static final int SIZE = 1 << 28;

    /** The most routed experts of a layer. */
    public static final int EXPERTS = 65_536;

    /** The most layers of a model. */
    public static final int LAYERS = 10_000;

    /** The most parameters of a layer or a model. */
    public static final long PARAMETERS = 1L << 53;

    private SpecLimits() {}

    /** Refuses a width that is not between 1 and {@link #SIZE}. */
    static void checkSize(String name, int size) {
        Checks.positive(name, size);
        Checks.check(size <= SIZE, "%s must be at most %d, got %d", name, SIZE, size);
    }

    /** Refuses a number of experts that is not between 1 and {@link #EXPERTS}. */
    static void checkExperts(int numExperts) {
        Checks.positive("numExperts", numExperts);
        Checks.check(numExperts <= EXPERTS, "numExperts must be at most %d, got %d", EXPERTS, numExperts);
    }

    /** Refuses a number of layers that is not between 1 and {@link #LAYERS}. */
    static void checkLayers(int numLayers) {
        Checks.check(numLayers >= 1, "a model needs at least one layer, got none");
        Checks.check(numLayers <= LAYERS, "a model has at most %d layers, got %d", LAYERS, numLayers);
    }

    /** Refuses more than {@link #PARAMETERS} parameters; {@code parameters} is computed in double, which does not overflow. */
    static void checkParameters(String what, double parameters) {
        Checks.check(
                parameters <= PARAMETERS,
                "%s would have about %.3g parameters, the limit is %d; is a size mistyped?",
                what,
                parameters,
                PARAMETERS);
    }
}
