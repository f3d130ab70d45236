package ai.molae.bench.layer;

import ai.molae.djl.torch.Precision;

/**
 * How far results may be from the reference, as a share of its largest value: about three times the largest error that was seen of molae's blocks over all shapes and
 * variants at {@link ai.molae.bench.workload.Scale#TINY}, both loads, 1 to 17 tokens. In float32 it is ten times, because sums of larger layers are longer and peers add
 * in another order.
 */
final class Tolerances {

    /** Routing is float32 and its weights are at most 1 to 2.5; one rounding of a sum of exponentials is 1e-7. */
    static final double ROUTING = 1e-5;

    private Tolerances() {}

    static double output(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 1e-5; // seen 9.7e-7
            case FLOAT16 -> 2.5e-3; // seen 7.9e-4
            case BFLOAT16 -> 3.5e-2; // seen 1.1e-2
            case INT8 -> 1.2e-1; // seen 3.9e-2
        };
    }

    static double gradient(Precision precision) {
        // Seen 2.2e-2 and 1.3e-6.
        return precision.checkTrainable() == Precision.BFLOAT16 ? 7e-2 : 1e-5;
    }
}
