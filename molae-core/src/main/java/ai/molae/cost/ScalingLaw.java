package ai.molae.cost;

import ai.molae.internal.Checks;

/**
 * The joint scaling law of dense and MoE language models (Ludziejewski et al., arXiv 2502.05172), with N active
 * parameters, D tokens, E experts:
 *
 * <pre>
 *   L(N, D, E) = a·Ê^δ·N^(α + γ ln Ê) + b·Ê^ω·D^(β + ζ ln Ê) + c
 *   1/Ê        = 1/(E − 1 + (1/E_start − 1/E_max)⁻¹) + 1/E_max
 * </pre>
 *
 * Validation RMSE 0.0039, at most 0.018, inside its limits; every {@link Prediction} names the limits it exceeds. MoLAE
 * is not covered.
 */
public final class ScalingLaw {

    private static final double A = 35.91;
    private static final double ALPHA = -0.1889;
    private static final double DELTA = -0.2285;
    private static final double GAMMA = 0.0098;
    private static final double B = 35.98;
    private static final double BETA = -0.1775;
    private static final double OMEGA = 0.5529;
    private static final double ZETA = -0.0259;
    private static final double E_START = 2.0732;
    private static final double E_MAX = 290.4521;
    private static final double C = 1.3637;
    /** The vocabulary of GPT-2. */
    private static final int VOCAB_SIZE = 50_257;

    private static final int HEAD_DIM = 64;

    private ScalingLaw() {}

    /**
     * The law at a fixed number of experts, {@code L = m·N^μ + n·D^ν + c}; μ and ν are negative.
     *
     * @param m factor of the parameter term
     * @param mu exponent of N
     * @param n factor of the token term
     * @param nu exponent of D
     * @param c irreducible loss
     */
    public record Reduced(double m, double mu, double n, double nu, double c) {

        /**
         * The loss.
         *
         * @param activeParameters N
         * @param tokens D
         * @return L in nats per token
         */
        public double loss(double activeParameters, double tokens) {
            return m * Math.pow(activeParameters, mu) + n * Math.pow(tokens, nu) + c;
        }
    }

    /**
     * Ê, the effective number of experts.
     *
     * @param experts E; 1 is a dense model
     * @return Ê, from 2.0732 at E = 1 toward 290.4521
     * @throws IllegalArgumentException if E is not positive
     */
    public static double effectiveExperts(int experts) {
        Checks.positive("experts", experts);
        return 1 / (1 / (experts - 1 + 1 / (1 / E_START - 1 / E_MAX)) + 1 / E_MAX);
    }

    /**
     * The law at a fixed number of experts.
     *
     * @param experts E
     * @return its reduced form
     * @throws IllegalArgumentException if E is not positive
     */
    public static Reduced reduced(int experts) {
        double effective = effectiveExperts(experts);
        double log = Math.log(effective);
        return new Reduced(
                A * Math.pow(effective, DELTA),
                ALPHA + GAMMA * log,
                B * Math.pow(effective, OMEGA),
                BETA + ZETA * log,
                C);
    }

    /**
     * The expected loss of a run inside the law's own architecture and data.
     *
     * @param activeParameters N
     * @param tokens D
     * @param experts E
     * @return loss and warnings
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static Prediction predict(double activeParameters, double tokens, int experts) {
        return predict(TrainingRun.of(activeParameters, tokens, experts));
    }

    /**
     * The expected loss of a run.
     *
     * @param run the run
     * @return loss and warnings
     */
    public static Prediction predict(TrainingRun run) {
        double loss = reduced(run.experts()).loss(run.activeParameters(), run.tokens());
        return new Prediction(loss, run.activeParameters(), run.tokens(), run.experts(), run.warnings());
    }

    /**
     * The split of a budget of F = 6·N·D FLOPs with the lowest loss:
     *
     * <pre>
     *   G = (|μ|·m / (|ν|·n))^(1/(|μ| + |ν|));   N* = G·(F/6)^(|ν|/(|μ| + |ν|));   D* = (F/6) / N*
     * </pre>
     *
     * @param flops F
     * @param experts E
     * @return N*, D*, their loss and warnings
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static Prediction computeOptimal(double flops, int experts) {
        Checks.finitePositive("flops", flops);
        Reduced law = reduced(experts);
        double mu = -law.mu();
        double nu = -law.nu();
        double product = flops / 6;
        double active = Math.pow(mu * law.m() / (nu * law.n()), 1 / (mu + nu)) * Math.pow(product, nu / (mu + nu));
        return predict(active, product / active, experts);
    }

    /**
     * The learning rate the law's runs used, {@code exp(8.39 − 0.81 ln N − 0.25 ln E)}.
     *
     * @param activeNonEmbedding N, active parameters without embedding and head
     * @param experts E
     * @return the peak learning rate
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static double learningRate(double activeNonEmbedding, int experts) {
        Checks.finitePositive("activeNonEmbedding", activeNonEmbedding);
        Checks.positive("experts", experts);
        return Math.exp(8.39 - 0.81 * Math.log(activeNonEmbedding) - 0.25 * Math.log(experts));
    }

    /**
     * Active parameters of the law's architecture (SwiGLU of width 3d, top 1, V = 50,257 not tied),
     * {@code 2·d·V + 13·L·d²}.
     *
     * @param hiddenSize d; the law's runs have L = d/64 layers
     * @param layers L
     * @return their number
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static long activeParameters(int hiddenSize, int layers) {
        return totalParameters(hiddenSize, layers, 1);
    }

    /**
     * All parameters of the law's architecture, {@code 2·d·V + (4 + 9E)·L·d²}.
     *
     * @param hiddenSize d; the law's runs have L = d/64 layers
     * @param layers L
     * @param experts E
     * @return their number
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static long totalParameters(int hiddenSize, int layers, int experts) {
        Checks.positive("hiddenSize", hiddenSize);
        Checks.positive("layers", layers);
        Checks.positive("experts", experts);
        return Math.addExact(
                Checks.product(2, hiddenSize, VOCAB_SIZE),
                Checks.product(4 + 9L * experts, layers, hiddenSize, hiddenSize));
    }

    /**
     * All parameters of a model of the law's architecture with L = d/64 that has the given active ones.
     *
     * @param activeParameters 2·d·V + 13·L·d², solved for a real d
     * @param experts E
     * @return {@code 2·d·V + (4 + 9E)·L·d²}
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static double totalParametersOf(double activeParameters, int experts) {
        Checks.finitePositive("activeParameters", activeParameters);
        Checks.positive("experts", experts);
        double low = 0;
        double high = Math.cbrt(activeParameters * HEAD_DIM / 13);
        // 2·d·V + 13·d³/64 grows with d and exceeds the target at high; 200 halvings exhaust double precision.
        for (int i = 0; i < 200; i++) {
            double d = (low + high) / 2;
            if (2 * d * VOCAB_SIZE + 13 * d * d * d / HEAD_DIM < activeParameters) {
                low = d;
            } else {
                high = d;
            }
        }
        return activeParameters + 9.0 * (experts - 1) * low * low * low / HEAD_DIM;
    }
}
