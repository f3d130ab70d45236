package ai.molae.djl.train;

import ai.molae.djl.torch.Precision;
import java.util.List;
import java.util.Objects;

/**
 * Muon (Jordan et al., 2024; for language models of size Liu et al., <em>Muon is Scalable for LLM Training</em>, arXiv 2502.16982) for
 * matrices, AdamW for the rest. For each matrix of R rows and C columns:
 *
 * <pre>
 *   B ← μB + G;   X = G + μB  (Nesterov, else X = B);   X ← X / (‖X‖ + 1e-7)
 *   five times:  X ← 3.4445 X + (−4.7750 X Xᵀ + 2.0315 (X Xᵀ)²) X          X transposed if R &gt; C
 *   W ← W − lr·λ·W − lr · 0.2 √max(R, C) · X
 * </pre>
 *
 * The factor 0.2 √max(R, C) gives updates the root mean square of AdamW's, so learning rates and weight decay of AdamW fit, and both kinds
 * of parameters share them.
 *
 * <p>A stack {@code [N, R, C]} is N matrices, each orthogonalised and scaled by itself; {@code gate_up} and {@code shared_gate_up} are two
 * for each expert, gate and up. A matrix whose gradient is zero in a step, as of an expert that no token chose, stays as it is, its
 * momentum too: the iteration would give the oldest momentum the full length again.
 *
 * <p>AdamW trains what is no matrix, and parameters that {@code adamWPaths} matches: embeddings, head and routers unless set otherwise.
 *
 * @param momentum μ
 * @param nesterov Nesterov's momentum
 * @param newtonSchulzSteps iterations
 * @param precision FLOAT32, or BFLOAT16 for the products of the iteration
 * @param weightDecay λ of matrices that Muon trains
 * @param adamW for the rest
 * @param adamWPaths patterns of {@link ParameterGroup} over the paths of matrices that AdamW trains
 */
public record MuonSpec(
        double momentum,
        boolean nesterov,
        int newtonSchulzSteps,
        Precision precision,
        double weightDecay,
        AdamWSpec adamW,
        List<String> adamWPaths)
        implements OptimizerSpec {

    private static final List<String> USUAL_ADAMW_PATHS =
            List.of("embed_tokens", "lm_head", "**.router", "**.shared_gate");

    /**
     * Validates.
     *
     * @param momentum μ, in [0, 1)
     * @param nesterov Nesterov's momentum
     * @param newtonSchulzSteps iterations, at least 1
     * @param precision of the iteration
     * @param weightDecay λ, at least 0
     * @param adamW for the rest
     * @param adamWPaths patterns; copied
     * @throws IllegalArgumentException if a number is out of range
     */
    public MuonSpec {
        if (!(momentum >= 0 && momentum < 1)) {
            throw new IllegalArgumentException("momentum must be in [0, 1), got " + momentum);
        }
        if (newtonSchulzSteps < 1) {
            throw new IllegalArgumentException("newtonSchulzSteps must be at least 1, got " + newtonSchulzSteps);
        }
        if (precision != Precision.FLOAT32 && precision != Precision.BFLOAT16) {
            throw new IllegalArgumentException("the iteration is computed in FLOAT32 or BFLOAT16, got " + precision);
        }
        AdamWSpec.checkWeightDecay(weightDecay);
        Objects.requireNonNull(adamW, "adamW");
        adamWPaths = List.copyOf(adamWPaths);
    }

    @Override
    public double stateBytesPerParameter() {
        return Float.BYTES;
    }

    /**
     * A builder with the usual settings: momentum 0.95 after Nesterov, five iterations in float32, weight decay 0.1, the usual AdamW for
     * embeddings, head, routers and everything that is no matrix.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds a {@link MuonSpec}. */
    public static final class Builder {
        private double momentum = 0.95;
        private boolean nesterov = true;
        private int newtonSchulzSteps = 5;
        private Precision precision = Precision.FLOAT32;
        private double weightDecay = 0.1;
        private AdamWSpec adamW = AdamWSpec.builder().build();
        private List<String> adamWPaths = USUAL_ADAMW_PATHS;

        private Builder() {}

        /**
         * Sets the momentum (default 0.95, Nesterov's).
         *
         * @param momentum μ
         * @param nesterov whether it is Nesterov's
         * @return this builder
         */
        public Builder optMomentum(double momentum, boolean nesterov) {
            this.momentum = momentum;
            this.nesterov = nesterov;
            return this;
        }

        /**
         * Sets the iteration (default 5 in FLOAT32).
         *
         * @param steps iterations
         * @param precision FLOAT32 or BFLOAT16
         * @return this builder
         */
        public Builder optNewtonSchulz(int steps, Precision precision) {
            this.newtonSchulzSteps = steps;
            this.precision = precision;
            return this;
        }

        /**
         * Sets the weight decay of the matrices that Muon trains (default 0.1).
         *
         * @param weightDecay λ
         * @return this builder
         */
        public Builder optWeightDecay(double weightDecay) {
            this.weightDecay = weightDecay;
            return this;
        }

        /**
         * Sets the optimizer of the rest.
         *
         * @param adamW with its own weight decay
         * @return this builder
         */
        public Builder optAdamW(AdamWSpec adamW) {
            this.adamW = adamW;
            return this;
        }

        /**
         * Sets which matrices AdamW trains (default embeddings, head, routers and the gate of the shared expert).
         *
         * @param patterns patterns of {@link ParameterGroup}
         * @return this builder
         */
        public Builder optAdamWPaths(String... patterns) {
            this.adamWPaths = List.of(patterns);
            return this;
        }

        /**
         * Builds the spec.
         *
         * @return the spec
         * @throws IllegalArgumentException if a number is out of range
         */
        public MuonSpec build() {
            return new MuonSpec(momentum, nesterov, newtonSchulzSteps, precision, weightDecay, adamW, adamWPaths);
        }
    }
}
