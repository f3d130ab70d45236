package ai.molae.djl.convert;

import ai.molae.spec.ExpertOperator;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/** How wide the latent spaces become. */
public sealed interface RankPolicy {

    /**
     * The same latent sizes in every layer.
     *
     * @param latentSizes r of every factored operator
     */
    record Fixed(Map<ExpertOperator, Integer> latentSizes) implements RankPolicy {

        /**
         * Copies the sizes.
         *
         * @param latentSizes r of every factored operator
         * @throws IllegalArgumentException if one is not positive
         */
        public Fixed {
            latentSizes = Collections.unmodifiableMap(new TreeMap<>(latentSizes));
            if (latentSizes.values().stream().anyMatch(size -> size < 1)) {
                throw new IllegalArgumentException("latent sizes must be positive, got " + latentSizes);
            }
        }
    }

    /**
     * One latent size for all factored operators of a layer, the largest with which its routed experts have at most a share of their parameters.
     *
     * @param ratio the share, in (0, 1]
     */
    record Uniform(double ratio) implements RankPolicy {

        /**
         * Checks the share.
         *
         * @param ratio the share
         * @throws IllegalArgumentException if it is not in (0, 1]
         */
        public Uniform {
            checkRatio(ratio);
        }
    }

    /**
     * Latent sizes spread over layers and operators so that the error falls most for what they cost; an operator may stay dense.
     *
     * @param unit what is counted
     * @param ratio the share of the standard layers' total, in (0, 1]
     */
    record Budget(Unit unit, double ratio) implements RankPolicy {

        /**
         * Checks the share.
         *
         * @param unit what is counted
         * @param ratio the share
         * @throws IllegalArgumentException if it is not in (0, 1]
         */
        public Budget {
            checkRatio(ratio);
        }
    }

    private static void checkRatio(double ratio) {
        if (!(ratio > 0 && ratio <= 1)) {
            throw new IllegalArgumentException("the ratio of parameters must be above 0 and at most 1, got " + ratio);
        }
    }

    /** What a budget counts, of the routed experts of all layers. */
    enum Unit {
        /** Numbers. */
        PARAMETERS,
        /** Bytes of the written tensors. */
        BYTES,
        /** Multiply-adds of a token times two. */
        FLOPS
    }
}
