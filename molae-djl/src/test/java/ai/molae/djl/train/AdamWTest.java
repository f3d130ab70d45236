package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.core.Linear;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A Linear layer has both groups: its weight decays, its bias does not. */
class AdamWTest {

    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.95;
    private static final double EPSILON = 1e-8;
    private static final double DECAY = 0.1;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final Linear linear = Linear.builder().setUnits(3).build();

    @BeforeEach
    void initialise() {
        Engine.getEngine("PyTorch").setRandomSeed(5);
        linear.initialize(manager, DataType.FLOAT32, new Shape(2, 4));
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void followsTheFormulaInDoubleOverManySteps() {
        double[] weight = doubles(parameter("weight"));
        double[] bias = doubles(parameter("bias"));
        Reference weightReference = new Reference(weight, DECAY);
        Reference biasReference = new Reference(bias, 0);
        try (AdamW optimizer = optimizer()) {
            for (int step = 0; step < 20; step++) {
                backward(randomInput(step), 1);
                double[] weightGradient = doubles(gradient("weight"));
                double[] biasGradient = doubles(gradient("bias"));
                double learningRate = 0.01 * (step + 1);
                double norm = optimizer.step(learningRate, 0);

                assertThat(norm).isCloseTo(norm(weightGradient, biasGradient), within(1e-5 * norm));
                weightReference.step(weightGradient, learningRate);
                biasReference.step(biasGradient, learningRate);
                assertThat(doubles(parameter("weight")))
                        .usingComparatorWithPrecision(2e-6)
                        .containsExactly(weight);
                assertThat(doubles(parameter("bias")))
                        .usingComparatorWithPrecision(2e-6)
                        .containsExactly(bias);
            }
        }
    }

    @Test
    void scalesTheGradientsDownToTheLargestNorm() {
        backward(randomInput(1), 50);
        double[] weight = doubles(parameter("weight"));
        double[] bias = doubles(parameter("bias"));
        double[] weightGradient = doubles(gradient("weight"));
        double[] biasGradient = doubles(gradient("bias"));
        double norm = norm(weightGradient, biasGradient);
        assertThat(norm).isGreaterThan(10);
        Reference reference = new Reference(weight, DECAY);
        try (AdamW optimizer = new AdamW(manager, linear, BETA1, BETA2, 1, DECAY)) {
            assertThat(optimizer.step(0.1, 0.5)).isCloseTo(norm, within(1e-4 * norm));
        }
        reference.epsilon = 1;
        for (int i = 0; i < weightGradient.length; i++) {
            weightGradient[i] *= 0.5 / norm;
        }
        reference.step(weightGradient, 0.1);
        assertThat(doubles(parameter("weight")))
                .usingComparatorWithPrecision(2e-6)
                .containsExactly(weight);
        assertThat(bias).isNotEqualTo(doubles(parameter("bias")));
    }

    @Test
    void setsTheGradientsToZeroAfterAStep() {
        try (AdamW optimizer = optimizer()) {
            backward(randomInput(1), 1);
            optimizer.step(0.01, 1);
            assertThat(doubles(gradient("weight"))).containsOnly(0);
            assertThat(doubles(gradient("bias"))).containsOnly(0);
        }
    }

    @Test
    void changesNothingWhenAGradientIsNotFinite() {
        double[] before = doubles(parameter("weight"));
        try (AdamW optimizer = optimizer()) {
            backward(randomInput(1), Float.POSITIVE_INFINITY);
            assertThat(optimizer.step(0.01, 1)).isNotFinite();
            assertThat(doubles(parameter("weight"))).isEqualTo(before);
            backward(randomInput(1), 1);
            assertThat(optimizer.step(0.01, 1)).isFinite();
            assertThat(doubles(parameter("weight"))).isNotEqualTo(before);
        }
    }

    @Test
    void leavesFrozenParametersAlone() {
        linear.getParameters().get("weight").freeze(true);
        double[] weight = doubles(parameter("weight"));
        double[] bias = doubles(parameter("bias"));
        try (AdamW optimizer = optimizer()) {
            backward(randomInput(1), 1);
            optimizer.step(0.01, 1);
        }
        assertThat(doubles(parameter("weight"))).isEqualTo(weight);
        assertThat(doubles(parameter("bias"))).isNotEqualTo(bias);
    }

    @Test
    void leavesNothingBehindAfterClose() {
        int before = manager.getManagedArrays().size();
        try (AdamW optimizer = optimizer()) {
            for (int step = 0; step < 3; step++) {
                backward(randomInput(step), 1);
                optimizer.step(0.01, 1);
            }
        }
        assertThat(manager.getManagedArrays()).hasSize(before);
    }

    @Test
    void refusesABlockWithNothingToTrainAndBadHyperParameters() {
        assertThatThrownBy(() -> new AdamW(manager, linear, 1, BETA2, EPSILON, DECAY))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1.0 and 0.95");
        assertThatThrownBy(() -> new AdamW(manager, linear, BETA1, BETA2, 0, DECAY))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("epsilon > 0");
        linear.freezeParameters(true);
        assertThatThrownBy(this::optimizer)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("frozen");
    }

    private AdamW optimizer() {
        return new AdamW(manager, linear, BETA1, BETA2, EPSILON, DECAY);
    }

    private NDArray parameter(String name) {
        return linear.getParameters().get(name).getArray();
    }

    private NDArray gradient(String name) {
        return parameter(name).getGradient();
    }

    private static float[] randomInput(long seed) {
        Random random = new Random(seed);
        float[] input = new float[8];
        for (int i = 0; i < input.length; i++) {
            input[i] = (float) random.nextGaussian();
        }
        return input;
    }

    private void backward(float[] input, float scale) {
        try (NDManager scope = manager.newSubManager();
                GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray x = scope.create(input, new Shape(2, 4));
            NDArray y = linear.forward(new ParameterStore(scope, false), new NDList(x), true)
                    .singletonOrThrow();
            collector.backward(y.square().sum().mul(scale));
        }
    }

    private static double[] doubles(NDArray array) {
        float[] floats = array.toFloatArray();
        double[] doubles = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            doubles[i] = floats[i];
        }
        return doubles;
    }

    private static double norm(double[]... gradients) {
        double sum = 0;
        for (double[] gradient : gradients) {
            for (double g : gradient) {
                sum += g * g;
            }
        }
        return Math.sqrt(sum);
    }

    /** The formula of the class Javadoc, updating an array in place. */
    private static final class Reference {
        private final double[] w;
        private final double[] m;
        private final double[] v;
        private final double decay;
        private double epsilon = EPSILON;
        private int t;

        private Reference(double[] w, double decay) {
            this.w = w;
            this.m = new double[w.length];
            this.v = new double[w.length];
            this.decay = decay;
        }

        private void step(double[] g, double learningRate) {
            t++;
            for (int i = 0; i < w.length; i++) {
                w[i] -= learningRate * decay * w[i];
                m[i] = BETA1 * m[i] + (1 - BETA1) * g[i];
                v[i] = BETA2 * v[i] + (1 - BETA2) * g[i] * g[i];
                double mHat = m[i] / (1 - Math.pow(BETA1, t));
                double vHat = v[i] / (1 - Math.pow(BETA2, t));
                w[i] -= learningRate * mHat / (Math.sqrt(vHat) + epsilon);
            }
        }
    }
}
