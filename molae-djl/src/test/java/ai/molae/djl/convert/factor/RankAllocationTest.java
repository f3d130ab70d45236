package ai.molae.djl.convert.factor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.molae.djl.convert.factor.RankAllocation.Item;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RankAllocationTest {

    private static Item item(SplittableRandom random, int rank, double costPerRank, double denseCost) {
        double[] energies = new double[rank];
        double decay = random.nextDouble(0.5, 0.99);
        double scale = random.nextDouble(0.1, 10);
        for (int j = 0; j < rank; j++) {
            energies[j] = scale * Math.pow(decay, j);
        }
        double[] tail = new double[rank + 1];
        for (int j = rank - 1; j >= 0; j--) {
            tail[j] = tail[j + 1] + energies[j];
        }
        return new Item(tail, costPerRank, denseCost, 1);
    }

    private static double error(List<Item> items, int[] ranks) {
        double error = 0;
        for (int i = 0; i < ranks.length; i++) {
            error += ranks[i] == RankAllocation.DENSE ? 0 : items.get(i).tail()[ranks[i]];
        }
        return error;
    }

    /** The smallest error of all ranks and dense matrices that fit. */
    private static double smallest(List<Item> items, int[] ranks, int next, double budget) {
        if (next == items.size()) {
            return RankAllocation.cost(items, ranks) <= budget ? error(items, ranks) : Double.POSITIVE_INFINITY;
        }
        double best = Double.POSITIVE_INFINITY;
        for (int r = 1; r < items.get(next).tail().length; r++) {
            ranks[next] = r;
            best = Math.min(best, smallest(items, ranks, next + 1, budget));
        }
        ranks[next] = RankAllocation.DENSE;
        return Math.min(best, smallest(items, ranks, next + 1, budget));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void theErrorIsCloseToTheSmallestThereIs(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        List<Item> items = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            items.add(item(random, 12, random.nextInt(1, 4), 20));
        }
        double budget = random.nextDouble(15, 50);

        int[] ranks = RankAllocation.allocate(items, budget);

        assertThat(RankAllocation.cost(items, ranks)).isLessThanOrEqualTo(budget);
        // What a price finds is optimal at its own cost; a whole rank more may not fit.
        double best = smallest(items, new int[3], 0, budget);
        double lessBudget = smallest(items, new int[3], 0, budget - 6);
        assertThat(error(items, ranks)).isBetween(best - 1e-12, lessBudget + 1e-12);
    }

    @Test
    void equalItemsGetEqualRanks() {
        List<Item> items = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            items.add(item(new SplittableRandom(9), 16, 2, 1000));
        }

        assertThat(RankAllocation.allocate(items, 4 * 2 * 5)).containsExactly(5, 5, 5, 5);
    }

    @Test
    void whatHoldsMoreEnergyGetsMore() {
        double[] much = {100, 50, 25, 12, 6, 3, 1, 0};
        double[] little = {1, 0.5, 0.25, 0.12, 0.06, 0.03, 0.01, 0};

        int[] ranks = RankAllocation.allocate(List.of(new Item(much, 1, 100, 1), new Item(little, 1, 100, 1)), 8);

        assertThat(ranks[0]).isGreaterThan(ranks[1]);
        assertThat(ranks[0] + ranks[1]).isEqualTo(8);
    }

    @Test
    void whatCannotBeFactoredStaysDense() {
        double[] flat = {10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
        double[] falling = {10, 0.1, 0.01, 0.001, 0};

        int[] ranks = RankAllocation.allocate(List.of(new Item(flat, 2, 20, 1), new Item(falling, 2, 20, 1)), 24);

        assertThat(ranks[0]).isEqualTo(RankAllocation.DENSE);
        assertThat(ranks[1]).isEqualTo(2);
    }

    @Test
    void aBudgetForEverythingLeavesEverything() {
        double[] flat = {10, 9, 8, 7};

        assertThat(RankAllocation.allocate(List.of(new Item(flat, 10, 20, 1)), 20))
                .containsExactly(RankAllocation.DENSE);
    }

    @Test
    void ranksAreMultiplesOfTheStep() {
        Item item = item(new SplittableRandom(10), 64, 1, 1000);

        int[] ranks = RankAllocation.allocate(List.of(new Item(item.tail(), 1, 1000, 8)), 30);

        assertThat(ranks[0]).isEqualTo(24);
    }

    @Test
    void aBudgetThatIsTooSmallIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> RankAllocation.allocate(List.of(new Item(new double[] {3, 2, 1}, 5, 20, 1)), 4))
                .withMessageContainingAll("4.0", "5.0");
    }

    @Test
    void costsAddUp() {
        List<Item> items = List.of(new Item(new double[] {1, 0}, 3, 7, 1), new Item(new double[] {1, 0}, 2, 11, 1));

        assertThat(RankAllocation.cost(items, new int[] {1, RankAllocation.DENSE}))
                .isCloseTo(14, within(0.0));
    }
}
