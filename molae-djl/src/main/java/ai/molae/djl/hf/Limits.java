package ai.molae.djl.hf;

import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;

/** Numbers no model has, so that a typing error in a file does not fill the memory. */
final class Limits {

    private static final long EXPERTS = 1_000_000;

    private Limits() {}

    static void check(ModelSpec spec) {
        long experts = spec.feedForwards().stream()
                .mapToLong(layer -> layer instanceof MoeSpec moe ? moe.numExperts() : 0)
                .sum();
        if (experts > EXPERTS) {
            throw new IllegalArgumentException("the experts of all " + spec.numLayers() + " layers are " + experts
                    + ", more than any model has; the limit is " + EXPERTS);
        }
    }
}
