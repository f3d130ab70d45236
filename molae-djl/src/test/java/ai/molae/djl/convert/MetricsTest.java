package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.convert.calibrate.ExpertStatistics;
import ai.molae.djl.convert.calibrate.LayerMoments;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MetricsTest {

    private static final int N = 5;
    private static final int M = 3;
    private static final int TOKENS = 40;
    private static final long[] COUNTS = {30, 0, 10};
    private static final double SHRINKAGE = 0.2;

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    /** Moments in Java; no token chose the second expert. */
    private record Moments(double[][] input, double[][][] inputs, double[][][] inner, boolean own, boolean diagonal)
            implements LayerMoments {

        static Moments random(boolean own, boolean diagonal) {
            SplittableRandom random = new SplittableRandom(1);
            double[][][] inputs = new double[3][][];
            double[][][] inner = new double[3][][];
            for (int i = 0; i < 3; i++) {
                inputs[i] = sum(random, N, (int) COUNTS[i]);
                inner[i] = sum(random, M, (int) COUNTS[i]);
            }
            return new Moments(sum(random, N, TOKENS), inputs, inner, own, diagonal);
        }

        /** {@code Σ x xᵀ} */
        private static double[][] sum(SplittableRandom random, int size, int count) {
            double[][] sum = new double[size][size];
            for (int t = 0; t < count; t++) {
                double[] x = random.doubles(size, -1, 1).toArray();
                for (int i = 0; i < size; i++) {
                    for (int j = 0; j < size; j++) {
                        sum[i][j] += x[i] * x[j];
                    }
                }
            }
            return sum;
        }

        @Override
        public MoeSpec spec() {
            return MoeSpec.builder()
                    .setHiddenSize(N)
                    .setIntermediateSize(M)
                    .setNumExperts(3)
                    .setTopK(1)
                    .build();
        }

        @Override
        public ExpertStatistics statistics() {
            return new ExpertStatistics(
                    TOKENS, COUNTS, new double[3], new double[3], new double[3], new double[3], new long[3][3]);
        }

        @Override
        public NDArray input(NDManager owner) {
            return array(owner, input);
        }

        @Override
        public Optional<NDArray> input(NDManager owner, int expert) {
            return own ? Optional.of(array(owner, inputs[expert])) : Optional.empty();
        }

        @Override
        public Optional<NDArray> inner(NDManager owner, ExpertOperator operator, int expert) {
            if (diagonal && operator != ExpertOperator.DOWN) {
                double[] values = new double[M];
                for (int j = 0; j < M; j++) {
                    values[j] = inner[expert][j][j];
                }
                return Optional.of(owner.create(values).duplicate());
            }
            return Optional.of(array(owner, inner[expert]));
        }

        private static NDArray array(NDManager owner, double[][] a) {
            return owner.create(flat(a), new Shape(a.length, a.length)).duplicate();
        }
    }

    private static double[] flat(double[][] a) {
        return java.util.Arrays.stream(a)
                .flatMapToDouble(java.util.Arrays::stream)
                .toArray();
    }

    private static double level(double[][] a) {
        double trace = 0;
        for (int i = 0; i < a.length; i++) {
            trace += a[i][i];
        }
        return trace / a.length;
    }

    /** {@code ((1 − λ) a + λ level I) / T} */
    private static double[] shrunk(double[][] a, double level) {
        double[][] result = new double[a.length][a.length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a.length; j++) {
                result[i][j] = ((1 - SHRINKAGE) * a[i][j] + (i == j ? SHRINKAGE * level : 0)) / TOKENS;
            }
        }
        return flat(result);
    }

    private static double meanLevel(Moments moments) {
        return (level(moments.inner[0]) + level(moments.inner[1]) + level(moments.inner[2])) / 3;
    }

    @Test
    void frequenciesAreRelativeToTheirMeanAndNoneIsZero() {
        Metric metric = Metrics.frequency(Moments.random(false, false), SHRINKAGE);

        double[] expected = {0.8 * 30 / (40.0 / 3) + 0.2, 0.2, 0.8 * 10 / (40.0 / 3) + 0.2};
        for (ExpertOperator operator : ExpertOperator.values()) {
            assertThat(metric.right(manager, operator, List.of(0, 1)).isEmpty()).isTrue();
            for (int i = 0; i < 3; i++) {
                NDArray left = metric.left(manager, operator, i);
                assertThat(left.getShape().dimension()).isZero();
                assertThat(left.getDouble()).isCloseTo(expected[i], within(1e-6));
            }
        }
    }

    @Test
    void inputsAreThoseOfAllTokensShrunkByTheirMeanSquare() {
        Moments moments = Moments.random(false, false);
        Metric metric = Metrics.moments(moments, SHRINKAGE, false);

        assertThat(metric.right(manager, ExpertOperator.UP, List.of(0, 2)).toDoubleArray())
                .containsExactly(shrunk(moments.input, level(moments.input)), within(1e-12));
        assertThat(metric.right(manager, ExpertOperator.DOWN, List.of(0)).isEmpty())
                .isTrue();
        assertThat(metric.ownRight(manager, ExpertOperator.UP, 0).isEmpty()).isTrue();
    }

    @Test
    void inputsOfAGroupAreTheSumOfItsExperts() {
        Moments moments = Moments.random(true, false);
        double[][] sum = new double[N][N];
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                sum[i][j] = moments.inputs[0][i][j] + moments.inputs[1][i][j] + moments.inputs[2][i][j];
            }
        }
        Metric metric = Metrics.moments(moments, SHRINKAGE, false);

        assertThat(metric.right(manager, ExpertOperator.GATE, List.of(0, 1, 2)).toDoubleArray())
                .containsExactly(shrunk(sum, level(sum)), within(1e-12));
    }

    @Test
    void inputsOfAGroupAreOfOneOfItsTokensHoweverManyItHas() {
        Moments moments = Moments.random(true, false);
        Metric metric = Metrics.moments(moments, SHRINKAGE, false);
        double[] expected = shrunk(moments.inputs[2], level(moments.inputs[2]));
        for (int j = 0; j < expected.length; j++) {
            // Of 10 tokens, not of all 40: the other side counts them.
            expected[j] *= (double) TOKENS / COUNTS[2];
        }

        assertThat(metric.right(manager, ExpertOperator.UP, List.of(1, 2)).toDoubleArray())
                .containsExactly(expected, within(1e-12));
    }

    @Test
    void inputsOfAnExpertAreOfOneOfItsTokensPulledTowardsAnyToken() {
        Moments moments = Moments.random(true, false);
        Metric metric = Metrics.moments(moments, SHRINKAGE, false);
        for (int expert = 0; expert < 3; expert++) {
            double[] expected = new double[N * N];
            for (int i = 0; i < N; i++) {
                for (int j = 0; j < N; j++) {
                    double own = moments.inputs[expert][i][j] / Math.max(1, COUNTS[expert]);
                    double mixed = (1 - SHRINKAGE) * own + SHRINKAGE * moments.input[i][j] / TOKENS;
                    expected[i * N + j] =
                            (1 - SHRINKAGE) * mixed + (i == j ? SHRINKAGE * level(moments.input) / TOKENS : 0);
                }
            }
            assertThat(metric.ownRight(manager, ExpertOperator.UP, expert).toDoubleArray())
                    .containsExactly(expected, within(1e-12));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void innerMomentsAreShrunkByTheMeanOverExperts(boolean diagonal) {
        Moments moments = Moments.random(false, diagonal);
        Metric metric = Metrics.moments(moments, SHRINKAGE, true);
        for (int expert = 0; expert < 3; expert++) {
            double[] expected = shrunk(moments.inner[expert], meanLevel(moments));
            assertThat(metric.left(manager, ExpertOperator.DOWN, expert).toDoubleArray())
                    .containsExactly(expected, within(1e-12));
            assertThat(metric.left(manager, ExpertOperator.GATE, expert).toDoubleArray())
                    .containsExactly(
                            diagonal ? new double[] {expected[0], expected[4], expected[8]} : expected, within(1e-12));
        }
    }

    @Test
    void anExpertWithoutTokensWeighsLittleButSomething() {
        Moments moments = Moments.random(false, false);
        NDArray left = Metrics.moments(moments, SHRINKAGE, false).left(manager, ExpertOperator.DOWN, 1);

        double expected = SHRINKAGE * meanLevel(moments) / TOKENS;
        assertThat(left.toDoubleArray())
                .containsExactly(new double[] {expected, 0, 0, 0, expected, 0, 0, 0, expected}, within(1e-15));
        assertThat(expected).isPositive();
    }

    @Test
    void withoutSensitivityRowsOfGateAndUpCountByFrequency() {
        Metric metric = Metrics.moments(Moments.random(false, false), SHRINKAGE, false);

        assertThat(metric.left(manager, ExpertOperator.GATE, 1).getDouble()).isCloseTo(0.2, within(1e-7));
    }
}
