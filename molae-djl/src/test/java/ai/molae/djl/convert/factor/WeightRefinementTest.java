package ai.molae.djl.convert.factor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.TorchOps;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class WeightRefinementTest {

    private static final TorchOps EIGEN = new TorchOps(AlternatingLeastSquaresTest.class, "eigen.py");

    private static final int K = 3;
    private static final int M = 6;
    private static final int N = 10;
    private static final int R = 4;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void goesBackToTheClosedFormFromAPerturbedOne() {
        RandomFactors random = new RandomFactors(manager, 1);
        FactorProblem problem = FactorProblem.of(K, random.matrices(K, M, N));
        NDArray best = leadingRows(problem);
        NDList bestOwn = own(problem, best);
        double tail = error(problem, bestOwn, best);
        NDArray b = best.add(random.gaussian(R, N).mul(0.1));
        NDList a = new NDList();
        bestOwn.forEach(factor -> a.add(factor.add(random.gaussian(M, R).mul(0.1))));

        WeightRefinement.Factors refined = WeightRefinement.steps(400).refine(manager, problem, a, b);

        double norm = error(problem, zeros(bestOwn), best);
        assertThat(refined.errorBefore()).isGreaterThan(1.05 * Math.sqrt(tail / norm));
        assertThat(error(problem, refined.a(), refined.b())).isCloseTo(tail, within(1e-3 * tail));
        assertThat(refined.errorAfter())
                .isCloseTo(Math.sqrt(error(problem, refined.a(), refined.b()) / norm), within(1e-9));
    }

    @Test
    void goesBackInANormWithWeightsOnBothSides() {
        RandomFactors random = new RandomFactors(manager, 2);
        FactorProblem problem = weighted(random);
        AlternatingLeastSquares.Fit fit =
                new AlternatingLeastSquares(100, 30, 1e-4).fit(manager, problem, random.gaussian(R, N));
        NDArray b = fit.b().add(random.gaussian(R, N).mul(0.02));

        WeightRefinement.Factors refined =
                WeightRefinement.steps(400).refine(manager, problem, own(problem, fit.b()), b);

        assertThat(refined.errorBefore()).isGreaterThan(1.05 * fit.relativeError());
        assertThat(refined.errorAfter()).isLessThan(0.5 * refined.errorBefore() + 0.5 * fit.relativeError());
    }

    @Test
    void neverGivesBackWorseThanItWasGiven() {
        RandomFactors random = new RandomFactors(manager, 3);
        for (FactorProblem problem :
                new FactorProblem[] {weighted(random), FactorProblem.of(K, random.matrices(K, M, N))}) {
            NDArray b = leadingRows(problem);
            NDList a = own(problem, b);

            // A rate at which Adam only does harm.
            WeightRefinement.Factors refined = new WeightRefinement(5, 10).refine(manager, problem, a, b);

            assertThat(refined.errorAfter()).isLessThanOrEqualTo(refined.errorBefore());
            assertThat(error(problem, refined.a(), refined.b()))
                    .isLessThanOrEqualTo(error(problem, a, b) * (1 + 1e-12));
        }
    }

    @Test
    void givesTheSameTwice() {
        RandomFactors random = new RandomFactors(manager, 4);
        FactorProblem problem = weighted(random);
        NDArray b = random.gaussian(R, N);
        NDList a = own(problem, AlternatingLeastSquares.orthonormal(manager, b));
        double[] given = b.toDoubleArray();

        WeightRefinement.Factors one = WeightRefinement.steps(20).refine(manager, problem, a, b);
        WeightRefinement.Factors two = WeightRefinement.steps(20).refine(manager, problem, a, b);

        assertThat(two.b().toDoubleArray()).isEqualTo(one.b().toDoubleArray());
        assertThat(two.a().get(1).toDoubleArray()).isEqualTo(one.a().get(1).toDoubleArray());
        assertThat(b.toDoubleArray()).as("what was given").isEqualTo(given);
    }

    @Test
    void factorsOfAnotherShapeAreRefused() {
        RandomFactors random = new RandomFactors(manager, 5);
        FactorProblem problem = FactorProblem.of(1, random.matrices(1, M, N));
        WeightRefinement method = WeightRefinement.steps(1);

        assertThatThrownBy(() -> method.refine(manager, problem, new NDList(), random.gaussian(R, N)))
                .hasMessageContaining("1 matrices")
                .hasMessageContaining("0 factors");
        assertThatThrownBy(() ->
                        method.refine(manager, problem, new NDList(random.gaussian(M, R + 1)), random.gaussian(R, N)))
                .hasMessageContaining("must be (6, 4)")
                .hasMessageContaining("(6, 5)");
    }

    private FactorProblem weighted(RandomFactors random) {
        return FactorProblem.of(K, random.matrices(K, M, N))
                .withInputMoments(RandomFactors.stored(K, i -> random.moments(40, N)))
                .withRowWeights(RandomFactors.stored(K, i -> random.moments(20, M)));
    }

    /** The closed form in the Frobenius norm. */
    private NDArray leadingRows(FactorProblem problem) {
        NDArray gram = manager.zeros(new Shape(N, N), DataType.FLOAT64);
        for (int i = 0; i < K; i++) {
            NDArray x = problem.matrices().read(manager, i);
            gram.addi(x.transpose().matMul(x));
        }
        return EIGEN.call("vectors", gram)
                .singletonOrThrow()
                .get(":, {}:", N - R)
                .transpose()
                .duplicate();
    }

    private NDList own(FactorProblem problem, NDArray b) {
        NDList own = new NDList();
        for (int i = 0; i < K; i++) {
            own.add(AlternatingLeastSquares.ownFactor(manager, problem, i, b));
        }
        return own;
    }

    private static NDList zeros(NDList arrays) {
        NDList zeros = new NDList();
        arrays.forEach(array -> zeros.add(array.zerosLike()));
        return zeros;
    }

    /** By the definition. */
    private double error(FactorProblem problem, NDList a, NDArray b) {
        double sum = 0;
        for (int i = 0; i < K; i++) {
            FactorProblem.Member member = problem.read(manager, i);
            NDArray d = member.x().sub(a.get(i).matMul(b));
            NDArray left = member.l().isEmpty() ? d : member.l().matMul(d);
            NDArray right = member.c().isEmpty() ? d : d.matMul(member.c());
            sum += left.mul(right).sum().getDouble();
        }
        return sum;
    }
}
