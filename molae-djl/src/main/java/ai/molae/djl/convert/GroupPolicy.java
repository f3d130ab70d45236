package ai.molae.djl.convert;

/**
 * Which experts of a layer share projections.
 *
 * @param kind what brings experts together
 * @param groupSize k, experts of a group; 0, or more than there are, for all of the layer
 * @param equalSizes whether every group has k experts (the last may have less); if not, the number of groups is the same and their sizes
 *     follow from what belongs together. Contiguous groups are always equal
 */
public record GroupPolicy(Kind kind, int groupSize, boolean equalSizes) {

    /** What brings experts together. */
    public enum Kind {
        /** Their numbers, as in the paper. */
        CONTIGUOUS,
        /** The overlap of the row spaces of gate and up and the column spaces of down. */
        SUBSPACE,
        /** Being chosen by the same tokens, so that a token meets fewer projections. Needs a calibration. */
        CO_ACTIVATION
    }

    /**
     * Checks the size.
     *
     * @param kind what brings experts together
     * @param groupSize k; 0, or more than there are, for all
     * @param equalSizes whether groups are equal
     * @throws IllegalArgumentException if k is negative
     */
    public GroupPolicy {
        if (groupSize < 0) {
            throw new IllegalArgumentException("a group needs at least 1 expert, or 0 for all, got " + groupSize);
        }
    }

    /**
     * Consecutive experts.
     *
     * @param groupSize k; 0, or more than there are, for all of the layer
     * @return the policy
     */
    public static GroupPolicy contiguous(int groupSize) {
        return new GroupPolicy(Kind.CONTIGUOUS, groupSize, true);
    }
}
