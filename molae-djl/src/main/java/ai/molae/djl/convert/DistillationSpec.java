package ai.molae.djl.convert;

/**
 * How the factors of a layer are trained to give the outputs of the original layer on calibration tokens: Adam on the mean of
 * {@code ‖y − y'‖²}, the routers left alone.
 *
 * @param steps optimizer steps of each layer
 * @param tokensPerStep tokens of a step
 * @param learningRate the peak learning rate, relative to the root mean square of each parameter, after a warm-up of a twentieth of
 *     the steps; cosine decay to zero
 */
public record DistillationSpec(int steps, int tokensPerStep, double learningRate) {

    /** What did well on the small models it was tried on: 400 steps of 512 tokens, rate 0.005. */
    public static final DistillationSpec DEFAULT = new DistillationSpec(400, 512, 0.005);

    /**
     * Checks the numbers.
     *
     * @param steps optimizer steps
     * @param tokensPerStep tokens of a step
     * @param learningRate relative learning rate
     * @throws IllegalArgumentException if one is not positive
     */
    public DistillationSpec {
        if (steps < 1 || tokensPerStep < 1 || !(learningRate > 0)) {
            throw new IllegalArgumentException("distillation needs positive steps, tokens and learning rate, got "
                    + steps + ", " + tokensPerStep + ", " + learningRate);
        }
    }
}
