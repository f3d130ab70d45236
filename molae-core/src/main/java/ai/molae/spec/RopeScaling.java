package ai.molae.spec;

import ai.molae.internal.Checks;

/**
 * How rotary frequencies are changed so that a model reads longer sequences than it was trained on. Frequencies are
 * {@code ω_i = θ^(-2i/d)}, {@code i = 0 … d/2 − 1}; the names are those of Hugging Face's {@code rope_type}.
 */
public sealed interface RopeScaling {

    /** Frequencies as they are ({@code default}). */
    record None() implements RopeScaling {}

    /**
     * Positions are interpolated: {@code ω_i / factor} ({@code linear}, Chen et al., arXiv 2306.15595).
     *
     * @param factor how many times longer, at least 1
     */
    record Linear(double factor) implements RopeScaling {

        /**
         * Validates the field.
         *
         * @param factor how many times longer
         * @throws IllegalArgumentException if it is below 1 or not finite
         */
        public Linear {
            checkFactor(factor);
        }
    }

    /**
     * The base grows with the length L of the sequence, once it exceeds the trained length L₀ ({@code dynamic}, "NTK-aware"):
     *
     * <pre>
     *   θ' = θ · ( factor · L/L₀ − (factor − 1) )^(d/(d−2))
     * </pre>
     *
     * @param factor how many times longer, at least 1
     * @param originalMaxPositionEmbeddings L₀, the trained length; Hugging Face's {@code max_position_embeddings}
     */
    record Dynamic(double factor, int originalMaxPositionEmbeddings) implements RopeScaling {

        /**
         * Validates the fields.
         *
         * @param factor how many times longer
         * @param originalMaxPositionEmbeddings the trained length
         * @throws IllegalArgumentException if a field is out of range
         */
        public Dynamic {
            checkFactor(factor);
            Checks.positive("originalMaxPositionEmbeddings", originalMaxPositionEmbeddings);
        }
    }

    /**
     * YaRN (Peng et al., arXiv 2309.00071): fast rotations stay, slow ones are interpolated, with a ramp between the columns that turn
     * {@code betaFast} and {@code betaSlow} times in the trained length; cosines and sines are multiplied by an attention factor.
     *
     * @param factor how many times longer, at least 1
     * @param originalMaxPositionEmbeddings the trained length
     * @param betaFast turns above which a column stays ({@code beta_fast}, usually 32)
     * @param betaSlow turns below which a column is interpolated ({@code beta_slow}, usually 1)
     * @param attentionFactor what cosines and sines are multiplied by, see {@link #attentionFactor(double, double, double)}
     * @param softmaxMscale m: the softmax scale is multiplied by m² (DeepSeek's {@code mscale_all_dim}); 1 for nothing
     * @param truncate whether the ends of the ramp are rounded outwards to whole columns ({@code truncate}, usually true)
     */
    record Yarn(
            double factor,
            int originalMaxPositionEmbeddings,
            double betaFast,
            double betaSlow,
            double attentionFactor,
            double softmaxMscale,
            boolean truncate)
            implements RopeScaling {

        /** Beyond it or its inverse the arithmetic of frequencies overflows. */
        private static final double MOST_TURNS = 1e9;

        /**
         * Validates the fields.
         *
         * @param factor how many times longer
         * @param originalMaxPositionEmbeddings the trained length
         * @param betaFast turns above which a column stays
         * @param betaSlow turns below which a column is interpolated
         * @param attentionFactor what cosines and sines are multiplied by
         * @param softmaxMscale m
         * @param truncate whether the ends of the ramp are rounded
         * @throws IllegalArgumentException if a field is out of range
         */
        public Yarn {
            checkFactor(factor);
            Checks.positive("originalMaxPositionEmbeddings", originalMaxPositionEmbeddings);
            Checks.finitePositive("betaFast", betaFast);
            Checks.finitePositive("betaSlow", betaSlow);
            Checks.check(
                    betaSlow >= 1 / MOST_TURNS && betaFast <= MOST_TURNS,
                    "betaSlow and betaFast must be between %s and %s, got %s and %s",
                    1 / MOST_TURNS,
                    MOST_TURNS,
                    betaSlow,
                    betaFast);
            Checks.check(betaFast >= betaSlow, "betaFast = %s must be at least betaSlow = %s", betaFast, betaSlow);
            Checks.finitePositive("attentionFactor", attentionFactor);
            Checks.finitePositive("softmaxMscale", softmaxMscale);
        }

        /**
         * {@code 0.1 · mscale · ln(factor) + 1}, and 1 if nothing is stretched.
         *
         * @param factor how many times longer
         * @param mscale a weight, 1 in the paper
         * @return m
         */
        public static double mscale(double factor, double mscale) {
            return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
        }

        /**
         * The factor of cosines and sines: {@code m(mscale) / m(mscaleAllDim)} if both are given, else {@code m(1)}.
         *
         * @param factor how many times longer
         * @param mscale {@code mscale}, 0 if not given
         * @param mscaleAllDim {@code mscale_all_dim}, 0 if not given
         * @return the attention factor
         */
        public static double attentionFactor(double factor, double mscale, double mscaleAllDim) {
            return mscale != 0 && mscaleAllDim != 0
                    ? mscale(factor, mscale) / mscale(factor, mscaleAllDim)
                    : mscale(factor, 1);
        }
    }

    /**
     * Llama 3.1's: wavelengths above {@code L₀/lowFreqFactor} are interpolated, those below {@code L₀/highFreqFactor} stay, those between are
     * blended.
     *
     * @param factor how many times longer, at least 1
     * @param lowFreqFactor {@code low_freq_factor}
     * @param highFreqFactor {@code high_freq_factor}, more than {@code lowFreqFactor}
     * @param originalMaxPositionEmbeddings L₀, the trained length
     */
    record Llama3(double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositionEmbeddings)
            implements RopeScaling {

        /**
         * Validates the fields.
         *
         * @param factor how many times longer
         * @param lowFreqFactor which wavelengths are interpolated
         * @param highFreqFactor which wavelengths stay
         * @param originalMaxPositionEmbeddings the trained length
         * @throws IllegalArgumentException if a field is out of range
         */
        public Llama3 {
            checkFactor(factor);
            Checks.finitePositive("lowFreqFactor", lowFreqFactor);
            Checks.finitePositive("highFreqFactor", highFreqFactor);
            Checks.check(
                    highFreqFactor > lowFreqFactor,
                    "highFreqFactor = %s must be more than lowFreqFactor = %s",
                    highFreqFactor,
                    lowFreqFactor);
            Checks.positive("originalMaxPositionEmbeddings", originalMaxPositionEmbeddings);
        }
    }

    private static void checkFactor(double factor) {
        Checks.check(
                Double.isFinite(factor) && factor >= 1, "the RoPE scaling factor must be at least 1, got %s", factor);
    }
}
