package ai.molae.djl.generate;

import java.util.Collection;
import java.util.Set;

/**
 * How the next token is chosen and when to stop. The steps apply in this order, as in Hugging Face: repetition penalty, temperature, top-k,
 * top-p, min-p, draw.
 *
 * @param temperature logits are divided by it; 0 is greedy: the most probable token, no chance involved
 * @param topK only the k most probable tokens can be drawn; 0 for all ({@code top_k})
 * @param topP only the fewest most probable tokens whose probabilities add up to at least this can be drawn; 1 for all ({@code top_p})
 * @param minP only tokens at least this many times as probable as the most probable one can be drawn; 0 for all ({@code min_p}, Nguyen et
 *     al., arXiv 2407.01082)
 * @param repetitionPenalty positive logits of tokens already in the sequence are divided by it, negative ones multiplied; 1 for none
 *     ({@code repetition_penalty}, Keskar et al., arXiv 1909.05858)
 * @param seed of the draws; equal seeds give equal texts
 * @param maxNewTokens the most tokens to make ({@code max_new_tokens})
 * @param stopTokens ids that end the text; they are not part of it
 */
public record Sampling(
        double temperature,
        int topK,
        double topP,
        double minP,
        double repetitionPenalty,
        long seed,
        int maxNewTokens,
        Set<Integer> stopTokens) {

    /**
     * Validates the fields.
     *
     * @param temperature logits are divided by it
     * @param topK number of tokens that can be drawn
     * @param topP probability of the tokens that can be drawn
     * @param minP least probability of a token relative to the most probable one
     * @param repetitionPenalty what makes seen tokens less probable
     * @param seed of the draws
     * @param maxNewTokens the most tokens to make
     * @param stopTokens ids that end the text
     * @throws IllegalArgumentException if a field is out of range
     */
    public Sampling {
        check(
                Double.isFinite(temperature) && temperature >= 0,
                "temperature must be finite and at least 0",
                temperature);
        check(topK >= 0, "topK must be at least 0 (0: all tokens)", topK);
        check(topP > 0 && topP <= 1, "topP must be in (0, 1]", topP);
        check(minP >= 0 && minP <= 1, "minP must be in [0, 1]", minP);
        check(
                Double.isFinite(repetitionPenalty) && repetitionPenalty > 0,
                "repetitionPenalty must be finite and positive",
                repetitionPenalty);
        check(maxNewTokens >= 1, "maxNewTokens must be at least 1", maxNewTokens);
        stopTokens = Set.copyOf(stopTokens);
        for (int stop : stopTokens) {
            check(stop >= 0, "stopTokens must be token ids", stop);
        }
    }

    private static void check(boolean condition, String wanted, Number got) {
        if (!condition) {
            throw new IllegalArgumentException(wanted + ", got " + got);
        }
    }

    /**
     * Always the most probable token.
     *
     * @param maxNewTokens the most tokens to make
     * @return the sampling
     * @throws IllegalArgumentException if {@code maxNewTokens} is not positive
     */
    public static Sampling greedy(int maxNewTokens) {
        return builder().optTemperature(0).optMaxNewTokens(maxNewTokens).build();
    }

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds a {@link Sampling}; by default it draws from the model's own distribution. */
    public static final class Builder {
        private double temperature = 1;
        private int topK;
        private double topP = 1;
        private double minP;
        private double repetitionPenalty = 1;
        private long seed;
        private int maxNewTokens = 128;
        private Set<Integer> stopTokens = Set.of();

        private Builder() {}

        /**
         * Sets what logits are divided by (default 1; 0 is greedy).
         *
         * @param temperature the temperature
         * @return this builder
         */
        public Builder optTemperature(double temperature) {
            this.temperature = temperature;
            return this;
        }

        /**
         * Sets how many of the most probable tokens can be drawn (default 0: all).
         *
         * @param topK {@code top_k}
         * @return this builder
         */
        public Builder optTopK(int topK) {
            this.topK = topK;
            return this;
        }

        /**
         * Sets the probability that the tokens that can be drawn have together (default 1: all).
         *
         * @param topP {@code top_p}
         * @return this builder
         */
        public Builder optTopP(double topP) {
            this.topP = topP;
            return this;
        }

        /**
         * Sets how probable a token must be, relative to the most probable one, to be drawn (default 0: any).
         *
         * @param minP {@code min_p}
         * @return this builder
         */
        public Builder optMinP(double minP) {
            this.minP = minP;
            return this;
        }

        /**
         * Sets what makes tokens already in the sequence less probable (default 1: nothing).
         *
         * @param repetitionPenalty {@code repetition_penalty}
         * @return this builder
         */
        public Builder optRepetitionPenalty(double repetitionPenalty) {
            this.repetitionPenalty = repetitionPenalty;
            return this;
        }

        /**
         * Sets the seed of the draws (default 0).
         *
         * @param seed the seed
         * @return this builder
         */
        public Builder optSeed(long seed) {
            this.seed = seed;
            return this;
        }

        /**
         * Sets the most tokens to make (default 128).
         *
         * @param maxNewTokens {@code max_new_tokens}
         * @return this builder
         */
        public Builder optMaxNewTokens(int maxNewTokens) {
            this.maxNewTokens = maxNewTokens;
            return this;
        }

        /**
         * Sets the ids that end the text (default none).
         *
         * @param stopTokens the ids
         * @return this builder
         */
        public Builder optStopTokens(Collection<Integer> stopTokens) {
            this.stopTokens = Set.copyOf(stopTokens);
            return this;
        }

        /**
         * Builds the sampling.
         *
         * @return the validated sampling
         * @throws IllegalArgumentException if a field is out of range
         */
        public Sampling build() {
            return new Sampling(temperature, topK, topP, minP, repetitionPenalty, seed, maxNewTokens, stopTokens);
        }
    }
}
