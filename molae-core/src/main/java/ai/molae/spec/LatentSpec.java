package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Which expert operators are factored, how wide their latent space is, and which experts share a projection:
 *
 * <pre>
 *   W_gate^i = A_gate^i B_gate^{g(i)}     A [m, r], B [r, n]
 *   W_up^i   = A_up^i   B_up^{g(i)}       A [m, r], B [r, n]
 *   W_down^i = B_down^{g(i)} A_down^i     B [n, r], A [r, m]
 * </pre>
 *
 * (Liu et al., arXiv 2503.23100.) With one group, tied gate/up and all operators factored this is LatentMoE (arXiv
 * 2601.18089).
 *
 * @param latentSizes latent size r of every factored operator; an operator that is absent stays dense
 * @param tiedGateUp whether gate and up read one common projection, B_gate = B_up
 * @param groupSize k, the number of consecutive experts per group; ignored when {@code groups} is present
 * @param groups an explicit partition of the experts, instead of consecutive groups of {@code groupSize}
 */
public record LatentSpec(
        Map<ExpertOperator, Integer> latentSizes, boolean tiedGateUp, int groupSize, Optional<ExpertGroups> groups) {

    /**
     * Validates the fields.
     *
     * @param latentSizes latent size r of every factored operator
     * @param tiedGateUp whether gate and up read one common projection
     * @param groupSize k, the number of consecutive experts per group
     * @param groups an explicit partition of the experts
     * @throws IllegalArgumentException if no operator is factored, a latent size or the group size is not positive, or
     *     gate and up are tied without both being factored to the same latent size
     */
    public LatentSpec {
        latentSizes = Collections.unmodifiableMap(new TreeMap<>(latentSizes));
        Checks.check(
                !latentSizes.isEmpty(),
                "a LatentSpec must factor at least one of GATE, UP, DOWN; without any, omit it");
        latentSizes.forEach((operator, size) -> SpecLimits.checkSize("latentSize of " + operator, size));
        if (groups.isEmpty()) {
            Checks.positive("groupSize", groupSize);
        }
        if (tiedGateUp) {
            Integer gate = latentSizes.get(ExpertOperator.GATE);
            Integer up = latentSizes.get(ExpertOperator.UP);
            Checks.check(
                    gate != null && gate.equals(up),
                    "tied gate and up need both factored to the same latent size, got latent sizes %s",
                    latentSizes);
        }
    }

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Whether an operator is factored.
     *
     * @param operator the operator
     * @return true if it has a latent size
     */
    public boolean isFactored(ExpertOperator operator) {
        return latentSizes.containsKey(operator);
    }

    /**
     * The latent size of a factored operator.
     *
     * @param operator the operator
     * @return r
     * @throws IllegalArgumentException if the operator is not factored
     */
    public int latentSize(ExpertOperator operator) {
        Integer size = latentSizes.get(operator);
        if (size == null) {
            throw new IllegalArgumentException(operator + " is not factored; factored are " + latentSizes.keySet());
        }
        return size;
    }

    /** Builds a {@link LatentSpec}. */
    public static final class Builder {
        private final Map<ExpertOperator, Integer> perOperator = new EnumMap<>(ExpertOperator.class);
        private Optional<List<ExpertOperator>> factored = Optional.empty();
        private int latentSize;
        private boolean tiedGateUp;
        private int groupSize;
        private Optional<ExpertGroups> groups = Optional.empty();

        private Builder() {}

        /**
         * Sets the latent size of every factored operator.
         *
         * @param latentSize r; the paper uses r = m
         * @return this builder
         */
        public Builder setLatentSize(int latentSize) {
            this.latentSize = latentSize;
            return this;
        }

        /**
         * Sets how many consecutive experts share a projection.
         *
         * @param groupSize k; N means one projection for the whole layer
         * @return this builder
         */
        public Builder setGroupSize(int groupSize) {
            this.groupSize = groupSize;
            return this;
        }

        /**
         * Sets an explicit partition of the experts instead of a group size.
         *
         * @param groups the partition
         * @return this builder
         */
        public Builder setGroups(ExpertGroups groups) {
            this.groups = Optional.of(groups);
            return this;
        }

        /**
         * Sets which operators are factored (default all three, or those given to {@link #optLatentSize} if no common
         * latent size is set; ungated experts have only UP and DOWN).
         *
         * @param operators the factored operators
         * @return this builder
         */
        public Builder optFactored(ExpertOperator... operators) {
            this.factored = Optional.of(List.of(operators));
            return this;
        }

        /**
         * Sets the latent size of one operator, which becomes factored.
         *
         * @param operator the operator
         * @param latentSize its r
         * @return this builder
         */
        public Builder optLatentSize(ExpertOperator operator, int latentSize) {
            perOperator.put(operator, latentSize);
            return this;
        }

        /**
         * Sets whether gate and up share one projection (default false).
         *
         * @param tiedGateUp whether B_gate = B_up
         * @return this builder
         */
        public Builder optTiedGateUp(boolean tiedGateUp) {
            this.tiedGateUp = tiedGateUp;
            return this;
        }

        /**
         * Builds the spec.
         *
         * @return the validated spec
         * @throws IllegalArgumentException if a required field is missing or out of range
         */
        public LatentSpec build() {
            Map<ExpertOperator, Integer> sizes = new EnumMap<>(ExpertOperator.class);
            boolean onlyPerOperator = latentSize == 0 && !perOperator.isEmpty();
            factored.orElse(onlyPerOperator ? List.of() : List.of(ExpertOperator.values()))
                    .forEach(operator -> sizes.put(operator, latentSize));
            sizes.putAll(perOperator);
            return new LatentSpec(sizes, tiedGateUp, groupSize, groups);
        }
    }
}
