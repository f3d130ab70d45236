package ai.molae.djl.convert.factor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class SubspaceOverlapTest {

    private static final int N = 24;
    private static final int M = 6;

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private static MoeSpec moe() {
        return MoeSpec.builder()
                .setHiddenSize(N)
                .setIntermediateSize(M)
                .setNumExperts(4)
                .setTopK(2)
                .build();
    }

    /** Experts 0 and 2 read the first M coordinates, 1 the next, 3 half of either. */
    private static ArrayExperts inCoordinates(ExpertOperator operator) {
        ArrayExperts experts = ArrayExperts.random(moe(), 1);
        int[] first = {0, M, 0, M / 2};
        SplittableRandom random = new SplittableRandom(2);
        double[][][] all = new double[4][][];
        for (int i = 0; i < 4; i++) {
            double[][] own = Dense.random(random, M, M);
            all[i] = new double[M][N];
            for (int row = 0; row < M; row++) {
                System.arraycopy(own[row], 0, all[i][row], first[i], M);
            }
        }
        experts.put(operator, all);
        return experts;
    }

    @ParameterizedTest
    @EnumSource(ExpertOperator.class)
    void sameSpacesAreOneOrthogonalOnesZeroAndHalvesAHalf(ExpertOperator operator) {
        double[][] overlap =
                SubspaceOverlap.of(manager, inCoordinates(operator), Set.of(operator), Metric.FROBENIUS, 64);

        double[][] expected = {{1, 0, 1, 0.5}, {0, 1, 0, 0.5}, {1, 0, 1, 0.5}, {0.5, 0.5, 0.5, 1}};
        for (int i = 0; i < 4; i++) {
            assertThat(overlap[i]).containsExactly(expected[i], within(1e-5));
        }
    }

    @Test
    void operatorsAreAveraged() {
        ArrayExperts experts = inCoordinates(ExpertOperator.UP);
        double[][] up = SubspaceOverlap.of(manager, experts, Set.of(ExpertOperator.UP), Metric.FROBENIUS, 6);
        double[][] down = SubspaceOverlap.of(manager, experts, Set.of(ExpertOperator.DOWN), Metric.FROBENIUS, 6);
        double[][] both = SubspaceOverlap.of(
                manager, experts, Set.of(ExpertOperator.UP, ExpertOperator.DOWN), Metric.FROBENIUS, 6);

        for (int i = 0; i < 4; i++) {
            for (int j = 0; j < 4; j++) {
                assertThat(both[i][j]).isCloseTo((up[i][j] + down[i][j]) / 2, within(1e-5));
                assertThat(both[i][j]).isCloseTo(both[j][i], within(1e-6));
            }
        }
    }

    @Test
    void onlyTheLeadingDirectionsCount() {
        ArrayExperts experts = inCoordinates(ExpertOperator.UP);
        // A loud common direction in the last coordinate.
        for (int i = 0; i < 4; i++) {
            experts.x(ExpertOperator.UP, i)[0][N - 1] = 1000;
        }
        double[][] overlap = SubspaceOverlap.of(manager, experts, Set.of(ExpertOperator.UP), Metric.FROBENIUS, 1);

        assertThat(overlap[0][1]).isGreaterThan(0.99);
    }

    @Test
    void weightsOfTheSharedSideDecideWhichDirectionsLead() {
        ArrayExperts experts = inCoordinates(ExpertOperator.UP);
        for (int i = 0; i < 4; i++) {
            experts.x(ExpertOperator.UP, i)[0][N - 1] = 1000;
        }
        Metric deafToIt = new Metric() {
            @Override
            public NDArray right(NDManager owner, ExpertOperator operator, List<Integer> members) {
                double[] weights = new double[N];
                java.util.Arrays.fill(weights, 1);
                weights[N - 1] = 1e-12;
                try (NDArray aliased = owner.create(weights)) {
                    return aliased.duplicate();
                }
            }

            @Override
            public NDArray left(NDManager owner, ExpertOperator operator, int expert) {
                return TorchArguments.absent();
            }
        };
        double[][] overlap = SubspaceOverlap.of(manager, experts, Set.of(ExpertOperator.UP), deafToIt, 1);

        assertThat(overlap[0][1]).isLessThan(0.01);
    }
}
