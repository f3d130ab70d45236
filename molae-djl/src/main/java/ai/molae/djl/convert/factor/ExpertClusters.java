package ai.molae.djl.convert.factor;

import ai.molae.spec.ExpertGroups;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Groups of experts that belong together, by a symmetric table of how much every two do. The same table always gives the same groups. */
public final class ExpertClusters {

    private ExpertClusters() {}

    /**
     * Groups of equal size: from consecutive groups and from greedy ones, two experts change places as long as that raises the sum of
     * affinities inside groups; the better of both.
     *
     * @param affinity {@code [N][N]} symmetric; its diagonal does not matter
     * @param groupSize k; the last group is smaller if it does not divide N
     * @return the groups
     * @throws IllegalArgumentException if k is not between 1 and N
     */
    public static ExpertGroups equal(double[][] affinity, int groupSize) {
        int n = affinity.length;
        int[] contiguous = ExpertGroups.contiguous(n, groupSize).groupOf().stream()
                .mapToInt(Integer::intValue)
                .toArray();
        int[] greedy = greedy(affinity, groupSize);
        improve(affinity, contiguous);
        improve(affinity, greedy);
        return groups(inside(affinity, greedy) > inside(affinity, contiguous) ? greedy : contiguous);
    }

    /**
     * A number of groups of whatever size: the two clusters with the highest mean affinity are joined until so many are left (average linkage).
     *
     * @param affinity {@code [N][N]} symmetric; its diagonal does not matter
     * @param numGroups G
     * @return the groups
     * @throws IllegalArgumentException if G is not between 1 and N
     */
    public static ExpertGroups linked(double[][] affinity, int numGroups) {
        int n = affinity.length;
        if (numGroups < 1 || numGroups > n) {
            throw new IllegalArgumentException(n + " experts make between 1 and " + n + " groups, got " + numGroups);
        }
        List<List<Integer>> clusters = new ArrayList<>();
        IntStream.range(0, n).forEach(i -> clusters.add(new ArrayList<>(List.of(i))));
        while (clusters.size() > numGroups) {
            int first = 0;
            int second = 1;
            double best = Double.NEGATIVE_INFINITY;
            for (int a = 0; a < clusters.size(); a++) {
                for (int b = a + 1; b < clusters.size(); b++) {
                    double mean = mean(affinity, clusters.get(a), clusters.get(b));
                    if (mean > best) {
                        best = mean;
                        first = a;
                        second = b;
                    }
                }
            }
            clusters.get(first).addAll(clusters.remove(second));
        }
        int[] groupOf = new int[n];
        for (int g = 0; g < clusters.size(); g++) {
            for (int expert : clusters.get(g)) {
                groupOf[expert] = g;
            }
        }
        return groups(groupOf);
    }

    private static double mean(double[][] affinity, List<Integer> a, List<Integer> b) {
        double sum = 0;
        for (int i : a) {
            for (int j : b) {
                sum += affinity[i][j];
            }
        }
        return sum / ((double) a.size() * b.size());
    }

    /** Fills one group after the other, each begun by the first expert that is left, with what fits it best. */
    private static int[] greedy(double[][] affinity, int groupSize) {
        int n = affinity.length;
        int[] groupOf = new int[n];
        boolean[] taken = new boolean[n];
        for (int place = 0; place < n; place++) {
            int group = place / groupSize;
            int best = -1;
            double most = Double.NEGATIVE_INFINITY;
            for (int i = 0; i < n; i++) {
                if (!taken[i]) {
                    double sum = 0;
                    for (int j = 0; j < n; j++) {
                        sum += taken[j] && groupOf[j] == group ? affinity[i][j] : 0;
                    }
                    if (sum > most) {
                        most = sum;
                        best = i;
                    }
                }
            }
            taken[best] = true;
            groupOf[best] = group;
        }
        return groupOf;
    }

    /** Exchanges pairs until no exchange gains. */
    private static void improve(double[][] affinity, int[] groupOf) {
        int n = affinity.length;
        int groups = IntStream.of(groupOf).max().orElse(0) + 1;
        double[][] to = new double[n][groups];
        double scale = 0;
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                if (i != j) {
                    to[i][groupOf[j]] += affinity[i][j];
                    scale = Math.max(scale, Math.abs(affinity[i][j]));
                }
            }
        }
        boolean improved = true;
        while (improved) {
            improved = false;
            for (int i = 0; i < n; i++) {
                for (int j = i + 1; j < n; j++) {
                    int a = groupOf[i];
                    int b = groupOf[j];
                    double gain = to[i][b] - to[i][a] + to[j][a] - to[j][b] - 2 * affinity[i][j];
                    if (a != b && gain > 1e-9 * scale) {
                        groupOf[i] = b;
                        groupOf[j] = a;
                        for (int e = 0; e < n; e++) {
                            double fromI = e == i ? 0 : affinity[e][i];
                            double fromJ = e == j ? 0 : affinity[e][j];
                            to[e][a] += fromJ - fromI;
                            to[e][b] += fromI - fromJ;
                        }
                        improved = true;
                    }
                }
            }
        }
    }

    /** The sum of affinities inside groups. */
    static double inside(double[][] affinity, int[] groupOf) {
        double sum = 0;
        for (int i = 0; i < affinity.length; i++) {
            for (int j = 0; j < i; j++) {
                sum += groupOf[i] == groupOf[j] ? affinity[i][j] : 0;
            }
        }
        return sum;
    }

    /** Numbered by their first experts. */
    private static ExpertGroups groups(int[] groupOf) {
        int[] number = new int[groupOf.length];
        java.util.Arrays.fill(number, -1);
        List<Integer> renumbered = new ArrayList<>();
        int next = 0;
        for (int group : groupOf) {
            if (number[group] < 0) {
                number[group] = next++;
            }
            renumbered.add(number[group]);
        }
        return new ExpertGroups(renumbered);
    }
}
