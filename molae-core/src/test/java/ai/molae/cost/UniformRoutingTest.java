package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.ExpertGroups;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UniformRoutingTest {

    private static final List<ExpertGroups> PARTITIONS_OF_SEVEN = List.of(
            ExpertGroups.contiguous(7, 7),
            ExpertGroups.contiguous(7, 1),
            ExpertGroups.contiguous(7, 3),
            new ExpertGroups(List.of(0, 1, 0, 1, 0, 1, 0)),
            new ExpertGroups(List.of(2, 0, 0, 0, 0, 0, 1)));

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7})
    void distinctGroupsOfATokenEqualTheMeanOverAllChoices(int topK) {
        for (ExpertGroups groups : PARTITIONS_OF_SEVEN) {
            double mean =
                    meanOverChoices(7, topK, choice -> groupsOf(groups, choice).size());
            assertThat(UniformRouting.distinctGroups(groups, topK))
                    .as("%s top-%d", groups, topK)
                    .isCloseTo(mean, within(1e-12));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7})
    void distinctGroupsOfTwoTokensEqualTheMeanOverAllPairsOfChoices(int topK) {
        for (ExpertGroups groups : PARTITIONS_OF_SEVEN) {
            double mean =
                    meanOverPairs(7, topK, union -> groupsOf(groups, union).size());
            assertThat(UniformRouting.distinctGroups(groups, topK, 2))
                    .as("%s top-%d", groups, topK)
                    .isCloseTo(mean, within(1e-12));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 5, 7})
    void distinctExpertsOfTwoTokensEqualTheMeanOverAllPairsOfChoices(int topK) {
        assertThat(UniformRouting.distinctExperts(7, topK, 2))
                .isCloseTo(meanOverPairs(7, topK, Integer::bitCount), within(1e-12));
    }

    @Test
    void oneGroupIsAlwaysHitOnceAndGroupsOfOneExpertAreHitTopKTimes() {
        assertThat(UniformRouting.distinctGroups(ExpertGroups.contiguous(256, 256), 8))
                .isEqualTo(1);
        assertThat(UniformRouting.distinctGroups(ExpertGroups.contiguous(256, 1), 8))
                .isCloseTo(8, within(1e-12));
        assertThat(UniformRouting.distinctExperts(256, 8, 1)).isEqualTo(8);
    }

    @Test
    void staysExactWhereBinomialCoefficientsOverflow() {
        // C(5000, 2000) has 1460 digits. Two experts a group: 1 − (3000·2999)/(5000·4999) per group.
        double expected = 2500 * (1 - 3000.0 * 2999.0 / (5000.0 * 4999.0));
        assertThat(UniformRouting.distinctGroups(ExpertGroups.contiguous(5000, 2), 2000))
                .isCloseTo(expected, within(1e-9));
    }

    @Test
    void manyTokensTouchEverything() {
        assertThat(UniformRouting.distinctExperts(64, 6, 1_000_000)).isEqualTo(64);
        assertThat(UniformRouting.distinctGroups(ExpertGroups.contiguous(64, 8), 6, 1_000_000))
                .isEqualTo(8);
    }

    @Test
    void argumentsOutOfRangeAreNamed() {
        assertThatThrownBy(() -> UniformRouting.distinctExperts(8, 9, 1)).hasMessageContaining("numExperts = 8, got 9");
        assertThatThrownBy(() -> UniformRouting.distinctExperts(8, 2, 0)).hasMessageContaining("tokens");
        assertThatThrownBy(() -> UniformRouting.distinctGroups(ExpertGroups.contiguous(8, 2), 0))
                .hasMessageContaining("got 0");
    }

    private static double meanOverChoices(int numExperts, int topK, ToIntFunction<Integer> count) {
        return choices(numExperts, topK).stream().mapToInt(count).average().orElseThrow();
    }

    private static double meanOverPairs(int numExperts, int topK, ToIntFunction<Integer> count) {
        List<Integer> choices = choices(numExperts, topK);
        return choices.stream()
                .flatMap(a -> choices.stream().map(b -> a | b))
                .mapToInt(count)
                .average()
                .orElseThrow();
    }

    /** All sets of topK experts, as bit masks. */
    private static List<Integer> choices(int numExperts, int topK) {
        List<Integer> masks = new ArrayList<>();
        for (int mask = 0; mask < 1 << numExperts; mask++) {
            if (Integer.bitCount(mask) == topK) {
                masks.add(mask);
            }
        }
        return masks;
    }

    private static Set<Integer> groupsOf(ExpertGroups groups, int mask) {
        Set<Integer> hit = new HashSet<>();
        for (int i = 0; i < groups.numExperts(); i++) {
            if ((mask >> i & 1) == 1) {
                hit.add(groups.groupOf(i));
            }
        }
        return hit;
    }
}
