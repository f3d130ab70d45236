package ai.molae.djl.convert.factor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Spreads a budget over many factorisations so that the sum of their errors is smallest: each takes the rank, or stays dense, where
 * {@code error + μ cost} is smallest, and μ is the price at which the budget is just enough; what is left goes rank by rank to whoever gains most for it.
 */
public final class RankAllocation {

    private RankAllocation() {}

    /**
     * A factorisation whose rank is to be found.
     *
     * @param tail error² at every rank, {@code [max rank + 1]}, falling; of all groups, in units that items have in common
     * @param costPerRank what a rank costs
     * @param denseCost what it costs not to factor
     * @param step ranks are multiples of this
     */
    @SuppressWarnings("ArrayRecordComponent") // a record for its brevity; nobody compares or changes it
    public record Item(double[] tail, double costPerRank, double denseCost, int step) {}

    /** Not factored. */
    public static final int DENSE = -1;

    /**
     * Finds the ranks.
     *
     * @param items the factorisations
     * @param budget the most that all may cost
     * @return a rank for each, at least its step, or {@link #DENSE}
     * @throws IllegalArgumentException if the smallest ranks cost more than the budget
     */
    public static int[] allocate(List<Item> items, double budget) {
        int[] smallest = items.stream()
                .mapToInt(item -> Math.min(item.step(), item.tail().length - 1))
                .toArray();
        if (cost(items, smallest) > budget) {
            throw new IllegalArgumentException(
                    "the budget of " + budget + " is less than the cost of the smallest latent sizes, "
                            + cost(items, smallest) + "; allow more, or use larger groups");
        }
        double high = 1;
        while (cost(items, choose(items, high)) > budget) {
            high *= 4;
            if (high > 1e300) {
                return fill(items, smallest, budget);
            }
        }
        double low = 0;
        for (int i = 0; i < 200; i++) {
            double middle = low == 0 && i < 100 ? high / 4 : (low + high) / 2;
            if (cost(items, choose(items, middle)) > budget) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return fill(items, choose(items, high), budget);
    }

    private static int[] choose(List<Item> items, double price) {
        return items.stream().mapToInt(item -> choose(item, price)).toArray();
    }

    private static int choose(Item item, double price) {
        int best = DENSE;
        double least = price * item.denseCost();
        for (int r : ranks(item)) {
            double sum = item.tail()[r] + price * r * item.costPerRank();
            if (sum < least) {
                least = sum;
                best = r;
            }
        }
        return best;
    }

    /** Those that cost less than the dense matrices. */
    private static int[] ranks(Item item) {
        int last = item.tail().length - 1;
        List<Integer> ranks = new ArrayList<>();
        for (int r = Math.min(item.step(), last);
                r <= last && r * item.costPerRank() < item.denseCost();
                r += item.step()) {
            ranks.add(r);
        }
        return ranks.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Raises ranks, the largest gain per cost first, as long as they fit. */
    private static int[] fill(List<Item> items, int[] ranks, double budget) {
        int[] filled = Arrays.copyOf(ranks, ranks.length);
        double rest = budget - cost(items, filled);
        while (true) {
            int best = -1;
            double most = 0;
            for (int i = 0; i < filled.length; i++) {
                Item item = items.get(i);
                double price = item.step() * item.costPerRank();
                int next = filled[i] + item.step();
                if (filled[i] != DENSE
                        && next < item.tail().length
                        && next * item.costPerRank() < item.denseCost()
                        && price <= rest) {
                    double gain = (item.tail()[filled[i]] - item.tail()[next]) / price;
                    if (gain > most) {
                        most = gain;
                        best = i;
                    }
                }
            }
            if (best < 0) {
                return filled;
            }
            filled[best] += items.get(best).step();
            rest -= items.get(best).step() * items.get(best).costPerRank();
        }
    }

    /** What ranks cost. */
    static double cost(List<Item> items, int[] ranks) {
        double cost = 0;
        for (int i = 0; i < ranks.length; i++) {
            cost += ranks[i] == DENSE
                    ? items.get(i).denseCost()
                    : ranks[i] * items.get(i).costPerRank();
        }
        return cost;
    }
}
