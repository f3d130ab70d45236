package ai.molae.bench.model;

import ai.molae.djl.torch.Precision;
import java.util.Arrays;
import java.util.List;

/**
 * Whether two computations of the same logits agree. The error of a position is the largest difference as a share of the largest logit; what counts is
 * the lower quartile over some positions: rounding may let a router choose another of two experts that are almost as good, and the logits of such a position are others
 * for a reason that is no fault. A fault that shows at fewer than three quarters of the positions passes; the layers themselves are held against the reference elsewhere.
 */
final class LogitsCheck {

    private LogitsCheck() {}

    /**
     * Compares logits.
     *
     * @param expected of some positions
     * @param actual of the same positions
     * @return the lower quartile of their errors
     * @throws IllegalArgumentException if these are not the logits of the same positions
     */
    static double error(List<float[]> expected, List<float[]> actual) {
        if (expected.isEmpty() || expected.size() != actual.size()) {
            throw new IllegalArgumentException(
                    "logits of " + expected.size() + " and of " + actual.size() + " positions cannot be compared");
        }
        double[] errors = new double[expected.size()];
        for (int i = 0; i < errors.length; i++) {
            errors[i] = error(expected.get(i), actual.get(i));
        }
        Arrays.sort(errors); // NaN comes last and may hide there
        return Double.isNaN(errors[errors.length - 1]) ? Double.NaN : errors[errors.length / 4];
    }

    private static double error(float[] expected, float[] actual) {
        if (expected.length != actual.length) {
            throw new IllegalArgumentException(
                    "a position has " + expected.length + " logits, compared with " + actual.length);
        }
        double largest = 0;
        double difference = 0;
        for (int i = 0; i < expected.length; i++) {
            largest = Math.max(largest, Math.abs(expected[i]));
            difference = Math.max(difference, Math.abs(expected[i] - actual[i])); // NaN stays
        }
        return difference / largest;
    }

    /**
     * Compares logits with those of the float32 model, and refuses them if they differ by more than a precision explains.
     *
     * @param what is compared
     * @param expected of some positions
     * @param actual of the same positions
     * @param precision that of the actual ones
     * @return the lower quartile of their errors
     * @throws IllegalStateException if it is too large
     */
    static double check(String what, List<float[]> expected, List<float[]> actual, Precision precision) {
        double error = error(expected, actual);
        if (!(error <= tolerance(precision))) {
            throw new IllegalStateException("the logits of " + what + " in " + precision
                    + " differ from those of the float32 model by " + error
                    + " of the largest (lower quartile of " + expected.size() + " positions), allowed are "
                    + tolerance(precision));
        }
        return error;
    }

    /** Rounding in three layers and the head; measured errors are at most half of these. */
    private static double tolerance(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 1e-4;
            case FLOAT16 -> 1e-2;
            case BFLOAT16 -> 6e-2;
            case INT8 -> 1.2e-1;
        };
    }
}
