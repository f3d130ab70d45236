package ai.molae.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class LoadStatisticsTest {

    @Test
    void describesAnUnevenLoad() {
        LoadStatistics load = LoadStatistics.of(new long[] {4, 0, 2, 2}, 3);
        assertThat(load.total()).isEqualTo(8);
        assertThat(load.dropped()).isEqualTo(1);
        assertThat(load.imbalance()).isEqualTo(2);
        assertThat(load.idleExperts()).isEqualTo(1);
        // q = 1/2, 1/4, 1/4: entropy 1.5 ln 2 of ln 4
        assertThat(load.normalisedEntropy()).isCloseTo(0.75, within(1e-15));
        // deviations 2, −2, 0, 0 of mean 2
        assertThat(load.coefficientOfVariation()).isCloseTo(Math.sqrt(0.5), within(1e-15));
    }

    @Test
    void balancedIsOneOneZero() {
        assertBalanced(LoadStatistics.of(new long[] {3, 3, 3}, 3));
    }

    @Test
    void oneExpertForAllIsTheWorst() {
        LoadStatistics load = LoadStatistics.of(new long[] {0, 9, 0}, 9);
        assertThat(load.imbalance()).isEqualTo(3);
        assertThat(load.normalisedEntropy()).isZero();
        assertThat(load.idleExperts()).isEqualTo(2);
        assertThat(load.coefficientOfVariation()).isCloseTo(Math.sqrt(2), within(1e-15));
    }

    @Test
    void withoutTokensOrChoiceALayerCountsAsBalanced() {
        assertBalanced(LoadStatistics.of(new long[4], 0));
        assertBalanced(LoadStatistics.of(new long[] {7}, 7));
    }

    private static void assertBalanced(LoadStatistics load) {
        assertThat(load.imbalance()).isEqualTo(1);
        assertThat(load.normalisedEntropy()).isCloseTo(1, within(1e-15));
        assertThat(load.coefficientOfVariation()).isZero();
        assertThat(load.dropped()).isZero();
    }

    @Test
    void batchesAddUpIncludingWhatEachDropped() {
        // 1 and 2 dropped; the sum {5, 5} would have dropped nothing at capacity 6
        LoadStatistics sum = LoadStatistics.of(new long[] {4, 0}, 3).plus(LoadStatistics.of(new long[] {1, 5}, 3));
        assertThat(sum).isEqualTo(new LoadStatistics(new long[] {5, 5}, 3));
        assertThat(sum).hasSameHashCodeAs(new LoadStatistics(new long[] {5, 5}, 3));
        assertThat(sum).isNotEqualTo(new LoadStatistics(new long[] {5, 5}, 0));
        assertThat(sum).hasToString("LoadStatistics[tokensPerExpert=[5, 5], dropped=3]");
    }

    @Test
    void holdsItsOwnCounts() {
        long[] counts = {1, 2};
        LoadStatistics load = LoadStatistics.of(counts, 9);
        counts[0] = 100;
        load.tokensPerExpert()[1] = 100;
        assertThat(load.tokensPerExpert()).containsExactly(1, 2);
    }

    @Test
    void agreesWithTheRoutingAboutWhatWasDropped() {
        Routing routing = new Routing(
                2,
                new int[][] {{0}, {0}, {1}},
                new double[][] {{1}, {0}, {1}},
                new boolean[][] {{true}, {false}, {true}},
                new double[3][2]);
        assertThat(LoadStatistics.of(routing.tokensPerExpert(), 1).dropped())
                .isEqualTo(routing.dropped())
                .isEqualTo(1);
    }

    @Test
    void rejectsImpossibleCounts() {
        rejects(() -> LoadStatistics.of(new long[0], 1), "load statistics need at least one expert, got none");
        rejects(() -> LoadStatistics.of(new long[] {1, -1}, 1), "expert 1 has -1 tokens");
        rejects(() -> LoadStatistics.of(new long[] {1}, -1), "capacity must be at least 0, got -1");
        rejects(() -> new LoadStatistics(new long[] {1, 1}, 3), "3 dropped of 2 choices");
        rejects(
                () -> LoadStatistics.of(new long[2], 1).plus(LoadStatistics.of(new long[3], 1)),
                "cannot add the load of 3 experts to that of 2");
    }

    private static void rejects(ThrowingCallable code, String message) {
        assertThatIllegalArgumentException().isThrownBy(code).withMessage(message);
    }
}
