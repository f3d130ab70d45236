package ai.molae.djl.train;

/**
 * Stochastic gradient descent as PyTorch has it, weight decay coupled to the gradient:
 *
 * <pre>
 *   g ← g + λw;   b ← μb + g;   w ← w − lr · b,  with Nesterov's momentum  w ← w − lr · (g + μb)
 * </pre>
 *
 * <p>Only matrices (parameters of type WEIGHT) decay, unless a {@link ParameterGroup} says otherwise. Without momentum there is no state
 * but the number of steps.
 *
 * @param momentum μ
 * @param nesterov Nesterov's momentum
 * @param weightDecay λ
 */
public record SgdSpec(double momentum, boolean nesterov, double weightDecay) implements OptimizerSpec {

    /**
     * Validates.
     *
     * @param momentum μ, in [0, 1)
     * @param nesterov Nesterov's momentum, which needs a momentum
     * @param weightDecay λ, at least 0
     * @throws IllegalArgumentException if a number is out of range
     */
    public SgdSpec {
        if (!(momentum >= 0 && momentum < 1)) {
            throw new IllegalArgumentException("momentum must be in [0, 1), got " + momentum);
        }
        if (nesterov && momentum == 0) {
            throw new IllegalArgumentException("nesterov needs a momentum above 0");
        }
        AdamWSpec.checkWeightDecay(weightDecay);
    }

    @Override
    public double stateBytesPerParameter() {
        return momentum == 0 ? 0 : Float.BYTES;
    }

    /**
     * Without momentum and weight decay.
     *
     * @return the spec
     */
    public static SgdSpec plain() {
        return new SgdSpec(0, false, 0);
    }

    /**
     * With Nesterov's momentum and no weight decay.
     *
     * @param momentum μ
     * @return the spec
     */
    public static SgdSpec nesterov(double momentum) {
        return new SgdSpec(momentum, true, 0);
    }
}
