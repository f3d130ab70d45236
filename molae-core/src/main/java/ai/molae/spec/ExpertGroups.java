package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A partition of the experts {@code 0 … N-1} into groups {@code 0 … G-1} that share a latent projection: g(i) of expert
 * i.
 *
 * @param groupOf the group of every expert; every group from 0 to the largest named has at least one expert
 */
public record ExpertGroups(List<Integer> groupOf) {

    /**
     * Validates the partition.
     *
     * @param groupOf the group of every expert
     * @throws IllegalArgumentException if there is no expert, a group is negative, or a group below the largest has no
     *     expert
     */
    public ExpertGroups {
        groupOf = List.copyOf(groupOf);
        Checks.check(!groupOf.isEmpty(), "expert groups need at least one expert, got none");
        int min = Collections.min(groupOf);
        Checks.check(min >= 0, "expert %d has group %d; groups count from 0", groupOf.indexOf(min), min);
        int max = Collections.max(groupOf);
        Checks.check(
                max < groupOf.size(),
                "expert %d has group %d, but %d experts can fill at most the groups 0 to %d; number the groups from 0 without gaps",
                groupOf.indexOf(max),
                max,
                groupOf.size(),
                groupOf.size() - 1);
        BitSet used = new BitSet();
        groupOf.forEach(used::set);
        Checks.check(
                used.nextClearBit(0) > max,
                "group %d of 0 to %d has no expert; number the groups without gaps",
                used.nextClearBit(0),
                max);
    }

    /**
     * Groups of consecutive experts, {@code g(i) = i / groupSize}; the last group is smaller if the sizes do not
     * divide.
     *
     * @param numExperts N
     * @param groupSize k
     * @return the partition
     * @throws IllegalArgumentException if either is not positive or {@code groupSize} exceeds {@code numExperts}
     */
    public static ExpertGroups contiguous(int numExperts, int groupSize) {
        SpecLimits.checkExperts(numExperts);
        Checks.check(
                groupSize >= 1 && groupSize <= numExperts,
                "groupSize must be between 1 and numExperts = %d, got %d",
                numExperts,
                groupSize);
        List<Integer> groupOf = new ArrayList<>(numExperts);
        for (int i = 0; i < numExperts; i++) {
            groupOf.add(i / groupSize);
        }
        return new ExpertGroups(groupOf);
    }

    /**
     * The number of experts.
     *
     * @return N
     */
    public int numExperts() {
        return groupOf.size();
    }

    /**
     * The number of groups.
     *
     * @return G
     */
    public int numGroups() {
        return Collections.max(groupOf) + 1;
    }

    /**
     * The group of an expert.
     *
     * @param expert i
     * @return g(i)
     */
    public int groupOf(int expert) {
        return groupOf.get(expert);
    }

    /**
     * How many experts each group has.
     *
     * @return the sizes, one per group
     */
    public int[] sizes() {
        int[] sizes = new int[numGroups()];
        groupOf.forEach(g -> sizes[g]++);
        return sizes;
    }

    @Override
    public String toString() {
        return groupOf.stream().map(String::valueOf).collect(Collectors.joining(",", "ExpertGroups[", "]"));
    }
}
