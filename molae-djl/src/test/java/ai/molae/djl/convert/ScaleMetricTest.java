package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ScaleMetricTest {

    private static final int N = 6;
    private static final int M = 4;
    private static final int DRAWS = 40_000;
    private static final float[] GAMMA = {1, 0.5f, 2, 0, 1.5f, -1};

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    /** One expert; row 3 of gate and up, and column 3 of down, are zero. */
    private record Expert(MoeSpec spec, Map<ExpertOperator, float[]> w) implements ExpertSource {
        static Expert random(Activation activation, boolean gated) {
            Random random = new Random(1);
            Map<ExpertOperator, float[]> w = new EnumMap<>(ExpertOperator.class);
            for (ExpertOperator operator : ExpertOperator.values()) {
                float[] values = new float[M * N];
                for (int i = 0; i < values.length; i++) {
                    boolean dead = operator == ExpertOperator.DOWN ? i % M == 3 : i / N == 3;
                    values[i] = dead ? 0 : (float) random.nextGaussian();
                }
                w.put(operator, values);
            }
            return new Expert(
                    MoeSpec.builder()
                            .setHiddenSize(N)
                            .setIntermediateSize(M)
                            .setNumExperts(1)
                            .setTopK(1)
                            .optActivation(activation)
                            .optGated(gated)
                            .build(),
                    w);
        }

        @Override
        public NDArray read(NDManager owner, int expert, ExpertOperator operator) {
            Shape shape = operator == ExpertOperator.DOWN ? new Shape(N, M) : new Shape(M, N);
            return owner.create(w.get(operator), shape).duplicate();
        }

        /** {@code ‖γ ⊙ w_j‖}, or the norm of column j of down. */
        double norm(ExpertOperator operator, int j) {
            double sum = 0;
            for (int i = 0; i < N; i++) {
                double x = operator == ExpertOperator.DOWN
                        ? w.get(operator)[i * M + j]
                        : w.get(operator)[j * N + i] * GAMMA[i];
                sum += x * x;
            }
            return Math.sqrt(sum);
        }
    }

    /** Monte Carlo: what an error of a row does to the output, and what down reads, with independent normal rows. */
    private static double[] drawn(Expert expert, ExpertOperator operator, boolean gated) {
        Activation activation = expert.spec().activation();
        Random random = new Random(2);
        double[] sums = new double[M];
        for (int t = 0; t < DRAWS; t++) {
            double zGate = random.nextGaussian();
            double zUp = random.nextGaussian();
            for (int j = 0; j < M; j++) {
                double g = expert.norm(gated ? ExpertOperator.GATE : ExpertOperator.UP, j) * zGate;
                double u = gated ? expert.norm(ExpertOperator.UP, j) * zUp : 1;
                double d = expert.norm(ExpertOperator.DOWN, j);
                double effect =
                        switch (operator) {
                            case GATE -> d * activation.derivative(g) * u;
                            case UP -> d * (gated ? activation.apply(g) : activation.derivative(g));
                            case DOWN -> activation.apply(g) * u;
                        };
                sums[j] += effect * effect / DRAWS;
            }
        }
        return sums;
    }

    private void assertAsDrawn(Activation activation, boolean gated) {
        Expert expert = Expert.random(activation, gated);
        ScaleMetric metric = new ScaleMetric(expert, GAMMA);
        for (ExpertOperator operator : expert.spec().operators()) {
            double[] left = metric.left(manager, operator, 0).toDoubleArray();
            double[] drawn = drawn(expert, operator, gated);
            for (int j = 0; j < 3; j++) {
                // The fourth powers of normal numbers spread; 40,000 draws leave a few percent.
                assertThat(left[j] / drawn[j])
                        .as(activation + " " + operator + " row " + j)
                        .isCloseTo(1, within(0.12));
            }
            assertThat(left[3])
                    .as("a dead row counts little, not nothing")
                    .isBetween(0.9e-6 * (left[0] + left[1] + left[2]) / 4, 1.1e-6 * (left[0] + left[1] + left[2]) / 4);
        }
    }

    @ParameterizedTest
    @EnumSource(Activation.class)
    void rowsCountByWhatTheyDoOnNormalInputs(Activation activation) {
        assertAsDrawn(activation, true);
    }

    @Test
    void ungatedRowsCountByTheSlope() {
        assertAsDrawn(Activation.RELU_SQUARED, false);
        assertAsDrawn(Activation.GELU, false);
    }

    @Test
    void inputsCountByTheSquaresOfTheNormsWeights() {
        ScaleMetric metric = new ScaleMetric(Expert.random(Activation.SILU, true), GAMMA);

        double[] right = metric.right(manager, ExpertOperator.GATE, List.of(0)).toDoubleArray();

        assertThat(right).hasSize(N);
        assertThat(right).contains(1, 0.25, 4, 2.25).doesNotContain(0);
        assertThat(right[3]).isCloseTo(1e-8 * (1 + 0.25 + 4 + 2.25 + 1) / 6, within(1e-14));
        assertThat(metric.right(manager, ExpertOperator.DOWN, List.of(0)).isEmpty())
                .isTrue();
    }
}
