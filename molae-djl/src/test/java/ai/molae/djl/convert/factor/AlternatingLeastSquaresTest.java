package ai.molae.djl.convert.factor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.torch.TorchOps;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AlternatingLeastSquaresTest {

    private static final TorchOps EIGEN = new TorchOps(AlternatingLeastSquaresTest.class, "eigen.py");

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest(name = "k {0}, m {1}, n {2}, r {3}, tokens {4}, seed {5}")
    @CsvSource({
        "1, 6, 8, 3, 20, 1",
        "3, 5, 12, 4, 40, 2",
        "4, 8, 16, 6, 10, 3",
        "5, 7, 9, 9, 30, 4",
        "6, 4, 20, 5, 7, 5"
    })
    void theErrorNeverRises(int k, int m, int n, int r, int tokens, long seed) {
        RandomFactors random = new RandomFactors(manager, seed);
        for (FactorProblem problem : List.of(
                withMoments(random, k, m, n, tokens),
                withMoments(random, k, m, n, tokens)
                        .withRowWeights(RandomFactors.stored(k, i -> random.moments(m + 2, m))),
                withMoments(random, k, m, n, tokens)
                        .withRowWeights(RandomFactors.stored(
                                k, i -> random.gaussian(1, m).square().reshape(m))))) {
            NDArray start = random.gaussian(r, n);

            AlternatingLeastSquares.Fit fit = new AlternatingLeastSquares(20, 20, 1e-6).fit(manager, problem, start);

            List<Double> errors = fit.errors();
            for (int i = 1; i < errors.size(); i++) {
                assertThat(errors.get(i)).as("sweep %d of %s", i, errors).isLessThanOrEqualTo(errors.get(i - 1));
            }
            assertThat(errors.get(errors.size() - 1))
                    .as("the error worked out from the factors")
                    .isCloseTo(error(problem, fit.b()), within(1e-9 * fit.norm()));
            if (r < n && k > 1) {
                assertThat(errors.get(errors.size() - 1)).isLessThan(0.9 * errors.get(0));
            }
        }
    }

    @Test
    void reachesTheClosedFormWhereAllMomentsAreEqual() {
        RandomFactors random = new RandomFactors(manager, 7);
        int n = 10;
        NDArray c = random.moments(50, n);
        // A spectrum with a gap, as only then sweeps from a random start converge fast.
        FactorProblem problem = FactorProblem.of(3, RandomFactors.stored(3, i -> random.gaussian(6, 4)
                        .matMul(random.gaussian(4, n))
                        .add(random.gaussian(6, n).mul(0.01))))
                .withInputMoments((scope, i) -> copy(c, scope));
        NDArray gram = manager.zeros(new Shape(n, n), DataType.FLOAT64);
        NDList parts = EIGEN.call("roots", c);
        NDArray root = parts.get(0);
        for (int i = 0; i < 3; i++) {
            NDArray xs = problem.matrices().read(manager, i).matMul(root);
            gram.addi(xs.transpose().matMul(xs));
        }
        double[] energies = EIGEN.call("values", gram).singletonOrThrow().toDoubleArray();
        double tail = 0;
        for (int j = 0; j < n - 4; j++) {
            tail += energies[j];
        }

        AlternatingLeastSquares.Fit fit =
                new AlternatingLeastSquares(300, 30, 1e-6).fit(manager, problem, random.gaussian(4, n));

        assertThat(fit.errors().get(fit.errors().size() - 1)).isCloseTo(tail, within(1e-5 * tail));
    }

    @Test
    void beatsTheClosedFormOfPooledMomentsInTheNormOfEachExpert() {
        RandomFactors random = new RandomFactors(manager, 8);
        int n = 12;
        FactorProblem problem = withMoments(random, 4, 6, n, 60);

        NDArray pooled = pooledClosedForm(problem, 4, 5, n);
        AlternatingLeastSquares.Fit fit = AlternatingLeastSquares.sweeps(20).fit(manager, problem, pooled);

        assertThat(fit.errors().get(0))
                .isCloseTo(
                        error(problem, AlternatingLeastSquares.orthonormal(manager, pooled)),
                        within(1e-9 * fit.norm()));
        assertThat(fit.errors().get(fit.errors().size() - 1))
                .isLessThan(0.95 * fit.errors().get(0));
    }

    @Test
    void anExpertWithoutTokensIsFittedWithoutThem() {
        RandomFactors random = new RandomFactors(manager, 9);
        int n = 8;
        FactorProblem.Arrays moments = RandomFactors.stored(
                3, i -> i == 1 ? manager.zeros(new Shape(n, n), DataType.FLOAT64) : random.moments(30, n));
        FactorProblem problem = FactorProblem.of(3, random.matrices(3, 5, n)).withInputMoments(moments);

        AlternatingLeastSquares.Fit fit =
                AlternatingLeastSquares.sweeps(10).fit(manager, problem, random.gaussian(4, n));

        NDArray a = AlternatingLeastSquares.ownFactor(manager, problem, 1, fit.b());
        NDArray plain = problem.matrices().read(manager, 1).matMul(fit.b().transpose());
        assertThat(a.sub(plain).abs().max().getDouble()).isLessThan(1e-12);
        assertThat(fit.errors().get(fit.errors().size() - 1))
                .isLessThan(fit.errors().get(0));
    }

    @Test
    void momentsOfFewTokensAreFittedExactlyAndTheRestWithoutThem() {
        RandomFactors random = new RandomFactors(manager, 10);
        int n = 9;
        NDArray x = random.gaussian(2, n);
        FactorProblem problem = FactorProblem.of(1, random.matrices(1, 4, n))
                .withInputMoments((scope, i) -> copy(x.transpose().matMul(x), scope));

        AlternatingLeastSquares.Fit fit =
                AlternatingLeastSquares.sweeps(20).fit(manager, problem, random.gaussian(5, n));

        // Two tokens ask for two dimensions of five.
        assertThat(fit.relativeError()).isLessThan(1e-6);
        NDArray a = AlternatingLeastSquares.ownFactor(manager, problem, 0, fit.b());
        double frobenius = problem.matrices()
                .read(manager, 0)
                .sub(a.matMul(fit.b()))
                .norm()
                .getDouble();
        assertThat(frobenius)
                .isLessThan(problem.matrices().read(manager, 0).norm().getDouble());
    }

    @Test
    void anyNumberOfThreadsFindsTheSame() {
        RandomFactors random = new RandomFactors(manager, 11);
        FactorProblem problem = withMoments(random, 3, 40, 48, 200);
        NDArray start = random.gaussian(16, 48);
        int threads = JniUtils.getNumThreads();
        try {
            JniUtils.setNumThreads(1);
            List<Double> one = AlternatingLeastSquares.sweeps(5)
                    .fit(manager, problem, start)
                    .errors();
            JniUtils.setNumThreads(2);
            List<Double> two = AlternatingLeastSquares.sweeps(5)
                    .fit(manager, problem, start)
                    .errors();

            assertThat(two).hasSameSizeAs(one);
            for (int i = 0; i < one.size(); i++) {
                assertThat(two.get(i)).isCloseTo(one.get(i), within(1e-9 * one.get(0)));
            }
        } finally {
            JniUtils.setNumThreads(threads);
        }
    }

    @Test
    void whatDoesNotFitIsRefusedWithItsShapes() {
        RandomFactors random = new RandomFactors(manager, 12);
        FactorProblem problem = FactorProblem.of(2, random.matrices(2, 3, 6));
        AlternatingLeastSquares method = AlternatingLeastSquares.sweeps(1);

        assertThatThrownBy(() -> method.fit(manager, problem, random.gaussian(7, 6)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 ≤ r ≤ n")
                .hasMessageContaining("(7, 6)");
        assertThatThrownBy(() -> method.fit(manager, problem, random.gaussian(2, 5)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("(3, 6)")
                .hasMessageContaining("(2, 5)");
        FactorProblem wrongMoments = problem.withInputMoments(random.matrices(2, 5, 5));
        assertThatThrownBy(() -> method.fit(manager, wrongMoments, random.gaussian(2, 6)))
                .hasMessageContaining("6 columns")
                .hasMessageContaining("(5, 5)");
        FactorProblem infinite =
                FactorProblem.of(1, (scope, i) -> scope.full(new Shape(3, 6), Float.NaN, DataType.FLOAT64));
        assertThatThrownBy(() -> method.fit(manager, infinite, random.gaussian(2, 6)))
                .hasMessageContaining("matrix 0")
                .hasMessageContaining("not finite");
    }

    private FactorProblem withMoments(RandomFactors random, int k, int m, int n, int tokens) {
        return FactorProblem.of(k, random.matrices(k, m, n))
                .withInputMoments(RandomFactors.stored(k, i -> random.moments(tokens, n)));
    }

    /** {@code B = V_rᵀ S⁻¹} with {@code S Sᵀ = Σ C_i}. */
    private NDArray pooledClosedForm(FactorProblem problem, int k, int r, int n) {
        NDArray c = manager.zeros(new Shape(n, n), DataType.FLOAT64);
        for (int i = 0; i < k; i++) {
            c.addi(problem.moments(manager, i, n));
        }
        NDList roots = EIGEN.call("roots", c);
        NDArray gram = manager.zeros(new Shape(n, n), DataType.FLOAT64);
        for (int i = 0; i < k; i++) {
            NDArray xs = problem.matrices().read(manager, i).matMul(roots.get(0));
            gram.addi(xs.transpose().matMul(xs));
        }
        NDArray vectors = EIGEN.call("vectors", gram).singletonOrThrow();
        return vectors.get(":, {}:", n - r).transpose().matMul(roots.get(1));
    }

    /** By the definition. */
    private double error(FactorProblem problem, NDArray b) {
        double sum = 0;
        for (int i = 0; i < problem.count(); i++) {
            FactorProblem.Member member = problem.read(manager, i);
            NDArray d = member.x()
                    .sub(AlternatingLeastSquares.ownFactor(manager, problem, i, b)
                            .matMul(b));
            NDArray ld = member.l().isEmpty()
                    ? d
                    : member.l().getShape().dimension() == 1
                            ? member.l().expandDims(1).mul(d)
                            : member.l().matMul(d);
            sum += ld.mul(d.matMul(member.c())).sum().getDouble();
        }
        return sum;
    }

    private static NDArray copy(NDArray array, NDManager scope) {
        NDArray copy = array.duplicate();
        copy.attach(scope);
        return copy;
    }
}
