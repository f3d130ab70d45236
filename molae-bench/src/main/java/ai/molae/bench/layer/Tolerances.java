package ai.molae.bench.layer;

import ai.molae.djl.torch.Precision;

/** How far results may be from the reference, as a share of its largest value. */
final class Tolerances {

    static final double ROUTING = 1e-5;

    private Tolerances() {}

    static double output(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 1e-4;
            case FLOAT16 -> 3e-3;
            case BFLOAT16 -> 3e-2;
            case INT8 -> 1e-1;
        };
    }

    static double gradient(Precision precision) {
        return switch (precision.checkTrainable()) {
            case BFLOAT16 -> 3e-2;
            default -> 1e-4;
        };
    }
}
