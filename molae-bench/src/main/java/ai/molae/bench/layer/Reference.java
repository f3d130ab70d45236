package ai.molae.bench.layer;

import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.torch.Precision;
import ai.molae.route.BalanceLoss;
import ai.molae.route.Routing;
import ai.molae.route.TopKRouter;
import ai.molae.spec.RouterSpec;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The reference's opinion on a layer: plain Java, float64, on the first and the last token of an input. Whom these choose and how the auxiliary loss pulls at them depends
 * on the router alone, which is evaluated on all tokens; experts are built one after the other, and only those that were chosen.
 */
final class Reference {

    private final LayerCase layer;
    private final RouterSpec router;
    private final ReferenceExperts experts;

    Reference(LayerCase layer) {
        this.layer = layer;
        router = layer.spec().router();
        experts = new ReferenceExperts(layer);
    }

    /**
     * Compares outputs.
     *
     * @param input the number of the input
     * @param output what an implementation made of it {@code [T, n]}
     * @param precision the implementation's
     * @return the largest difference as a share of the reference's largest value
     * @throws IllegalStateException if that is more than the precision explains
     */
    double checkOutput(int input, float[] output, Precision precision) {
        return checked("output", errorOfOutput(input, output), Tolerances.output(precision), precision);
    }

    /**
     * Compares gradients of an input, the loss being the sum of the outputs plus the auxiliary loss.
     *
     * @param input the number of the input
     * @param gradient what an implementation made of it {@code [T, n]}
     * @param precision the implementation's
     * @return the largest difference as a share of the reference's largest value
     * @throws IllegalStateException if that is more than the precision explains
     */
    double checkInputGradient(int input, float[] gradient, Precision precision) {
        return checked("input gradient", errorOfGradient(input, gradient), Tolerances.gradient(precision), precision);
    }

    /**
     * Compares routings.
     *
     * @param input the number of the input
     * @param weightsTN routing weights that an implementation gave the experts {@code [T, N]}, 0 where not chosen
     * @return the largest difference of a weight
     * @throws IllegalStateException if another expert was chosen, or float32 does not explain a difference
     */
    double checkRouting(int input, double[][] weightsTN) {
        Routing routing = layer.routing(layer.input(input));
        double difference = 0;
        for (int t = 0; t < layer.tokens(); t++) {
            double[] expectedN = new double[weightsTN[t].length];
            for (int slot = 0; slot < routing.experts()[t].length; slot++) {
                expectedN[routing.experts()[t][slot]] = routing.weights()[t][slot];
            }
            for (int i = 0; i < expectedN.length; i++) {
                if ((expectedN[i] > 0) != (weightsTN[t][i] > 0)) {
                    throw new IllegalStateException("token " + t + " of " + layer + " gives expert " + i
                            + " the weight " + weightsTN[t][i] + ", by the reference " + expectedN[i]);
                }
                difference = Math.max(difference, Math.abs(expectedN[i] - weightsTN[t][i]));
            }
        }
        return checked("routing", difference, Tolerances.ROUTING, Precision.FLOAT32);
    }

    double errorOfOutput(int input, float[] output) {
        float[] x = layer.input(input);
        Routing routing = layer.routing(x);
        Difference error = new Difference();
        for (int t : checkedTokens()) {
            error.add(t, experts.output(row(x, t), routing.experts()[t], routing.weights()[t]), output);
        }
        return error.relative();
    }

    double errorOfGradient(int input, float[] gradient) {
        float[] x = layer.input(input);
        double[][] logitsTN = layer.logits(x);
        Routing routing = layer.routing(x);
        double[][] balanceTN = BalanceLoss.switchLossGradient(router.scoreFunction(), logitsTN, routing);
        double[][] zTN = BalanceLoss.zLossGradient(logitsTN);
        double[][] gradWeightsTK = new double[layer.tokens()][layer.spec().topK()];
        double[][] gradX = new double[layer.tokens()][];
        for (int t : checkedTokens()) {
            gradX[t] = experts.gradient(row(x, t), routing.experts()[t], routing.weights()[t], gradWeightsTK[t]);
        }
        double[][] gradLogitsTN = new TopKRouter(layer.spec()).backward(logitsTN, routing, gradWeightsTK);
        Difference error = new Difference();
        for (int t : checkedTokens()) {
            // Logits are the first coordinates, so their gradients are added to those.
            for (int i = 0; i < gradLogitsTN[t].length; i++) {
                gradX[t][i] +=
                        gradLogitsTN[t][i] + router.auxLossCoef() * balanceTN[t][i] + router.zLossCoef() * zTN[t][i];
            }
            error.add(t, gradX[t], gradient);
        }
        return error.relative();
    }

    private int[] checkedTokens() {
        return IntStream.of(0, layer.tokens() - 1).distinct().toArray();
    }

    private double[] row(float[] x, int t) {
        int n = layer.spec().hiddenSize();
        return IntStream.range(t * n, (t + 1) * n).mapToDouble(i -> x[i]).toArray();
    }

    private double checked(String what, double error, double tolerance, Precision precision) {
        if (!(error <= tolerance)) {
            throw new IllegalStateException("the " + what + " of " + layer + " in " + precision
                    + " differs from the reference by " + error + " of its largest value, allowed are " + tolerance);
        }
        return error;
    }

    /** The largest difference, NaN if one is, and the largest value so far. */
    private static final class Difference {
        private double largest;
        private double difference;

        void add(int t, double[] expected, float[] actual) {
            largest = Math.max(
                    largest, Arrays.stream(expected).map(Math::abs).max().orElse(0));
            for (int i = 0; i < expected.length; i++) {
                difference = Math.max(difference, Math.abs(expected[i] - actual[t * expected.length + i]));
            }
        }

        double relative() {
            return difference / largest;
        }
    }
}
