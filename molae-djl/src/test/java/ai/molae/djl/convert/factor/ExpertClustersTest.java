package ai.molae.djl.convert.factor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.spec.ExpertGroups;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExpertClustersTest {

    /** High affinity inside groups, noise besides. */
    private static double[][] planted(List<Integer> groupOf, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int n = groupOf.size();
        double[][] affinity = new double[n][n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j <= i; j++) {
                double common = groupOf.get(i).equals(groupOf.get(j)) ? 1 : 0;
                affinity[i][j] = common + 0.4 * random.nextDouble();
                affinity[j][i] = affinity[i][j];
            }
        }
        return affinity;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void plantedGroupsOfEqualSizeAreFound(long seed) {
        List<Integer> groupOf = List.of(0, 1, 2, 0, 1, 2, 1, 0, 2, 2, 1, 0);

        assertThat(ExpertClusters.equal(planted(groupOf, seed), 4)).isEqualTo(new ExpertGroups(groupOf));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void plantedGroupsOfUnequalSizeAreFound(long seed) {
        List<Integer> groupOf = List.of(0, 0, 1, 0, 0, 2, 0, 1, 0);

        assertThat(ExpertClusters.linked(planted(groupOf, seed), 3)).isEqualTo(new ExpertGroups(groupOf));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7, 16})
    void groupsHaveTheSizeAskedForAndAreNoWorseThanConsecutiveOnes(int size) {
        SplittableRandom random = new SplittableRandom(6);
        double[][] affinity = new double[16][16];
        for (int i = 0; i < 16; i++) {
            for (int j = 0; j < i; j++) {
                affinity[i][j] = random.nextDouble();
                affinity[j][i] = affinity[i][j];
            }
        }

        ExpertGroups groups = ExpertClusters.equal(affinity, size);

        int[] sizes = groups.sizes();
        assertThat(sizes).hasSize((16 + size - 1) / size);
        assertThat(java.util.Arrays.stream(sizes).filter(s -> s != size).count())
                .isLessThanOrEqualTo(1);
        ExpertGroups contiguous = ExpertGroups.contiguous(16, size);
        assertThat(inside(affinity, groups)).isGreaterThanOrEqualTo(inside(affinity, contiguous));
        if (size > 1 && size < 16) {
            assertThat(inside(affinity, groups)).isGreaterThan(inside(affinity, contiguous));
        }
    }

    private static double inside(double[][] affinity, ExpertGroups groups) {
        return ExpertClusters.inside(
                affinity, groups.groupOf().stream().mapToInt(Integer::intValue).toArray());
    }

    @Test
    void anImpossibleNumberOfGroupsIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ExpertClusters.linked(new double[3][3], 4))
                .withMessageContainingAll("3 experts", "4");
        assertThatIllegalArgumentException().isThrownBy(() -> ExpertClusters.equal(new double[3][3], 4));
    }
}
