package ai.molae.djl.convert.factor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LayerFactorsTest {

    private static final int N = 24;
    private static final int M = 10;
    private static final int EXPERTS = 6;

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private static MoeSpec moe() {
        return MoeSpec.builder()
                .setHiddenSize(N)
                .setIntermediateSize(M)
                .setNumExperts(EXPERTS)
                .setTopK(2)
                .build();
    }

    private static LatentSpec latent(int r, int groupSize) {
        return LatentSpec.builder().setLatentSize(r).setGroupSize(groupSize).build();
    }

    private static LayerFactors.Problem problem(LatentSpec latent, Metric metric) {
        return new LayerFactors.Problem(
                moe().withLatent(latent), metric, OptionalInt.empty(), 6, LayerFactors.Iterations.NONE, 2);
    }

    private LayerFactors solve(LayerFactors.Problem problem, ExpertSource source) {
        return LayerFactors.solve(manager, problem, () -> source, Runnable::run);
    }

    /** A_i B of X, from the stored factors. */
    private double[][] product(LayerFactors factors, ExpertOperator operator, int expert) {
        int r = factors.spec().expertWidth(operator);
        float[] a = factors.own(manager, operator, expert).toFloatArray();
        float[] b = factors.projection(
                        manager, operator, factors.spec().expertGroups().groupOf(expert))
                .toFloatArray();
        return operator == ExpertOperator.DOWN
                ? Dense.transpose(Dense.multiply(Dense.of(b, N, r), Dense.of(a, r, M)))
                : Dense.multiply(Dense.of(a, M, r), Dense.of(b, r, N));
    }

    /** A metric in Java: one C for all, an L for each operator and expert. */
    private record Weights(double[][] right, double[][][] left) implements Metric {
        static Weights random(long seed) {
            SplittableRandom random = new SplittableRandom(seed);
            double[][][] left = new double[EXPERTS][][];
            for (int i = 0; i < EXPERTS; i++) {
                left[i] = Dense.positive(random, M);
            }
            return new Weights(Dense.positive(random, N), left);
        }

        @Override
        public NDArray right(NDManager manager, ExpertOperator operator, List<Integer> experts) {
            return operator == ExpertOperator.DOWN ? TorchArguments.absent() : array(manager, right);
        }

        @Override
        public NDArray left(NDManager manager, ExpertOperator operator, int expert) {
            return array(manager, left[expert]);
        }

        private static NDArray array(NDManager manager, double[][] a) {
            try (NDArray aliased = manager.create(Dense.flat(a), new Shape(a.length, a[0].length))) {
                return aliased.duplicate();
            }
        }

        double error(ExpertOperator operator, int expert, double[][] d) {
            return Dense.weighted(left[expert], d, operator == ExpertOperator.DOWN ? Dense.identity(N) : right);
        }
    }

    private static double tail(List<double[]> spectra, int r) {
        return spectra.stream()
                .mapToDouble(values -> {
                    double sum = 0;
                    for (int j = r; j < values.length; j++) {
                        sum += values[j];
                    }
                    return sum;
                })
                .sum();
    }

    @ParameterizedTest
    @EnumSource(ExpertOperator.class)
    void theErrorIsTheTailOfTheSpectrum(ExpertOperator operator) {
        ArrayExperts experts = ArrayExperts.random(moe(), 1);
        LayerFactors.Problem problem = problem(latent(9, 3), Metric.FROBENIUS);
        double error = 0;
        double whole = 0;
        try (LayerFactors factors = solve(problem, experts)) {
            for (int i = 0; i < EXPERTS; i++) {
                double[][] d = Dense.minus(experts.x(operator, i), product(factors, operator, i));
                error += Dense.trace(Dense.multiply(d, Dense.transpose(d)));
                whole += Dense.trace(Dense.multiply(experts.x(operator, i), Dense.transpose(experts.x(operator, i))));
            }
            List<double[]> spectra = LayerFactors.spectra(manager, problem, () -> experts, Runnable::run)
                    .get(operator);

            assertThat(error / tail(spectra, 9)).isCloseTo(1, within(1e-6));
            assertThat(factors.relativeError(operator)).isCloseTo(Math.sqrt(error / whole), within(1e-6));
        }
    }

    @ParameterizedTest
    @EnumSource(ExpertOperator.class)
    void theWeightedErrorIsTheTailOfTheWeightedSpectrum(ExpertOperator operator) {
        ArrayExperts experts = ArrayExperts.random(moe(), 2);
        Weights weights = Weights.random(3);
        LayerFactors.Problem problem = problem(latent(7, 6), weights);
        double error = 0;
        double whole = 0;
        try (LayerFactors factors = solve(problem, experts)) {
            for (int i = 0; i < EXPERTS; i++) {
                error += weights.error(operator, i, Dense.minus(experts.x(operator, i), product(factors, operator, i)));
                whole += weights.error(operator, i, experts.x(operator, i));
            }
            List<double[]> spectra = LayerFactors.spectra(manager, problem, () -> experts, Runnable::run)
                    .get(operator);

            assertThat(error / tail(spectra, 7)).isCloseTo(1, within(1e-6));
            assertThat(factors.weightedError(operator)).isCloseTo(Math.sqrt(error / whole), within(1e-6));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {4, 5, 6})
    void weightsLowerTheWeightedErrorAndRaiseThePlainOne(long seed) {
        ArrayExperts experts = ArrayExperts.random(moe(), seed);
        Weights weights = Weights.random(seed + 100);
        try (LayerFactors plain = solve(problem(latent(7, 3), Metric.FROBENIUS), experts);
                LayerFactors weighted = solve(problem(latent(7, 3), weights), experts)) {
            for (ExpertOperator operator : ExpertOperator.values()) {
                double[] errors = new double[2];
                for (int i = 0; i < EXPERTS; i++) {
                    errors[0] += weights.error(
                            operator, i, Dense.minus(experts.x(operator, i), product(plain, operator, i)));
                    errors[1] += weights.error(
                            operator, i, Dense.minus(experts.x(operator, i), product(weighted, operator, i)));
                }

                assertThat(errors[1]).isLessThan(errors[0]);
                assertThat(plain.relativeError(operator)).isLessThan(weighted.relativeError(operator));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 5, 8, 10})
    void reducingRanksFirstNeverHelps(int rank) {
        ArrayExperts experts = ArrayExperts.random(moe(), 7);
        LayerFactors.Problem one = problem(latent(8, 3), Metric.FROBENIUS);
        LayerFactors.Problem two = new LayerFactors.Problem(
                one.spec(), Metric.FROBENIUS, OptionalInt.of(rank), 6, LayerFactors.Iterations.NONE, 2);
        try (LayerFactors direct = solve(one, experts);
                LayerFactors reduced = solve(two, experts)) {
            for (ExpertOperator operator : ExpertOperator.values()) {
                for (int i = 0; i < EXPERTS; i++) {
                    direct.own(manager, operator, i);
                    reduced.own(manager, operator, i);
                }
                double ratio = reduced.relativeError(operator) / direct.relativeError(operator);
                if (rank == M) {
                    assertThat(ratio).isCloseTo(1, within(1e-9));
                } else {
                    assertThat(ratio).isGreaterThan(1 + 1e-4);
                }
            }
        }
    }

    @Test
    void commonSpacesAreFoundExactly() {
        SplittableRandom random = new SplittableRandom(8);
        ArrayExperts experts = ArrayExperts.random(moe(), 9);
        ExpertGroups groups = new ExpertGroups(List.of(0, 1, 0, 1, 1, 0));
        for (ExpertOperator operator : ExpertOperator.values()) {
            double[][][] common = {Dense.random(random, 5, N), Dense.random(random, 5, N)};
            double[][][] all = new double[EXPERTS][][];
            for (int i = 0; i < EXPERTS; i++) {
                all[i] = Dense.multiply(Dense.random(random, M, 5), common[groups.groupOf(i)]);
            }
            experts.put(operator, all);
        }
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(5).setGroups(groups).build();
        for (Metric metric : List.of(Metric.FROBENIUS, Weights.random(10))) {
            try (LayerFactors factors = solve(problem(latent, metric), experts)) {
                for (ExpertOperator operator : ExpertOperator.values()) {
                    for (int i = 0; i < EXPERTS; i++) {
                        factors.own(manager, operator, i);
                    }
                    assertThat(factors.relativeError(operator)).isLessThan(1e-5);
                }
            }
        }
    }

    @Test
    void tiedGateAndUpShareOneProjection() {
        ArrayExperts experts = ArrayExperts.random(moe(), 11);
        LatentSpec latent = LatentSpec.builder()
                .setLatentSize(9)
                .setGroupSize(3)
                .optTiedGateUp(true)
                .build();
        LayerFactors.Problem problem = problem(latent, Metric.FROBENIUS);
        double error = 0;
        try (LayerFactors factors = solve(problem, experts)) {
            assertThat(factors.projection(manager, ExpertOperator.UP, 1))
                    .isEqualTo(factors.projection(manager, ExpertOperator.GATE, 1));
            for (ExpertOperator operator : List.of(ExpertOperator.GATE, ExpertOperator.UP)) {
                for (int i = 0; i < EXPERTS; i++) {
                    double[][] d = Dense.minus(experts.x(operator, i), product(factors, operator, i));
                    error += Dense.trace(Dense.multiply(d, Dense.transpose(d)));
                }
            }
            List<double[]> spectra = LayerFactors.spectra(manager, problem, () -> experts, Runnable::run)
                    .get(ExpertOperator.GATE);

            assertThat(error / tail(spectra, 9)).isCloseTo(1, within(1e-6));
        }
    }

    @Test
    void bfloat16ProjectionsAreFittedAsTheyAreStored() {
        ArrayExperts experts = ArrayExperts.random(moe(), 12);
        LayerFactors.Problem exact = problem(latent(9, 3), Metric.FROBENIUS);
        LayerFactors.Problem rounded = new LayerFactors.Problem(
                exact.spec(), Metric.FROBENIUS, OptionalInt.empty(), 15, LayerFactors.Iterations.NONE, 1);
        try (LayerFactors factors = solve(rounded, experts)) {
            float[] b = factors.projection(manager, ExpertOperator.UP, 0).toFloatArray();
            for (float value : b) {
                assertThat(Float.floatToRawIntBits(value) & 0xffff).isZero();
            }
            // The best own factor for this projection: the rest is orthogonal to its rows.
            double[][] d = Dense.minus(experts.x(ExpertOperator.UP, 1), product(factors, ExpertOperator.UP, 1));
            double[][] inner = Dense.multiply(d, Dense.transpose(Dense.of(b, 9, N)));
            for (double[] row : inner) {
                for (double value : row) {
                    assertThat(value).isCloseTo(0, within(1e-5));
                }
            }
        }
    }

    @Test
    void threadsChangeNothing() {
        ArrayExperts experts = ArrayExperts.random(moe(), 13);
        LayerFactors.Problem problem = problem(latent(7, 2), Weights.random(14));
        List<float[]> results = new ArrayList<>();
        for (int threads : new int[] {1, 4}) {
            ExecutorService executor = Executors.newFixedThreadPool(threads);
            try (LayerFactors factors = LayerFactors.solve(manager, problem, () -> experts, executor)) {
                for (ExpertOperator operator : ExpertOperator.values()) {
                    results.add(factors.projection(manager, operator, 2).toFloatArray());
                    results.add(factors.own(manager, operator, 5).toFloatArray());
                }
            } finally {
                executor.shutdown();
            }
        }
        for (int i = 0; i < 6; i++) {
            assertThat(results.get(i)).isEqualTo(results.get(i + 6));
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY})
    void weightsThatAreNotFiniteAreNamed(double value) {
        ArrayExperts experts = ArrayExperts.random(moe(), 15);
        experts.x(ExpertOperator.UP, 4)[3][2] = value;

        assertThatIllegalArgumentException()
                .isThrownBy(() -> solve(problem(latent(7, 3), Metric.FROBENIUS), experts))
                .withMessageContainingAll("UP", "expert 4", "not finite");
    }

    @Test
    void aLatentSizeBeyondTheRankIsRefused() {
        ArrayExperts experts = ArrayExperts.random(moe(), 16);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> solve(problem(latent(11, 1), Metric.FROBENIUS), experts))
                .withMessageContainingAll("11", "rank 10");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> solve(problem(latent(25, 6), Metric.FROBENIUS), experts))
                .withMessageContainingAll("25", "rank 24");
    }

    @Test
    void errorsAreKnownOnlyWhenAllOwnFactorsAre() {
        ArrayExperts experts = ArrayExperts.random(moe(), 17);
        try (LayerFactors factors = solve(problem(latent(7, 3), Metric.FROBENIUS), experts)) {
            factors.own(manager, ExpertOperator.UP, 0);

            org.assertj.core.api.Assertions.assertThatIllegalStateException()
                    .isThrownBy(() -> factors.relativeError(ExpertOperator.UP));
        }
    }

    @Test
    void ownFactorsWithWeightsOfTheirOwnLeaveNothingBehind() {
        Metric metric = new Metric() {
            @Override
            public NDArray right(NDManager owner, ExpertOperator operator, List<Integer> experts) {
                return TorchArguments.absent();
            }

            @Override
            public NDArray left(NDManager owner, ExpertOperator operator, int expert) {
                return TorchArguments.absent();
            }

            @Override
            public NDArray ownRight(NDManager owner, ExpertOperator operator, int expert) {
                return owner.eye(N, N, 0, ai.djl.ndarray.types.DataType.FLOAT64);
            }
        };
        LayerFactors.Problem problem = new LayerFactors.Problem(
                moe().withLatent(latent(4, 3)), metric, OptionalInt.empty(), 6, new LayerFactors.Iterations(1, 0), 2);
        try (LayerFactors factors = solve(problem, ArrayExperts.random(moe(), 1))) {
            // The first one makes what all of the group are computed with.
            factors.own(manager, ExpertOperator.UP, 0).close();
            int before = manager.getManagedArrays().size();
            for (int expert = 0; expert < 3; expert++) {
                factors.own(manager, ExpertOperator.UP, expert).close();
            }

            assertThat(manager.getManagedArrays()).hasSize(before);
        }
    }

    @Test
    void aReductionToTheLatentSizeIsToThatOfEachOperator() {
        ArrayExperts experts = ArrayExperts.random(moe(), 1);
        LatentSpec latent = LatentSpec.builder()
                .optLatentSize(ExpertOperator.GATE, 3)
                .optLatentSize(ExpertOperator.UP, 8)
                .setGroupSize(3)
                .build();
        double[][][] products = new double[3][][];
        int[] ranks = {0, 3, 8};
        for (int i = 0; i < ranks.length; i++) {
            try (LayerFactors factors = solve(
                    new LayerFactors.Problem(
                            moe().withLatent(latent),
                            Metric.FROBENIUS,
                            OptionalInt.of(ranks[i]),
                            6,
                            LayerFactors.Iterations.NONE,
                            2),
                    experts)) {
                products[i] = product(factors, ExpertOperator.GATE, 1);
            }
        }

        assertThat(products[0]).isDeepEqualTo(products[1]);
        assertThat(products[0][0]).isNotEqualTo(products[2][0]);
    }
}
