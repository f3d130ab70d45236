package ai.molae.cost;

/**
 * Memory of a training step where it is highest, in bytes.
 *
 * @param weights float32 parameters and correction biases
 * @param gradients float32, of the trained parameters
 * @param optimizer the optimizer's state
 * @param activations what autograd and the experts keep between the passes, casts of weights among them, and with recomputation that of
 *     the largest segment
 * @param logits {@code [B, S, V]} float32, in as many copies as there are at that moment
 * @param temporary the largest arrays that live for one operation
 */
public record StepBytes(
        double weights, double gradients, double optimizer, double activations, double logits, double temporary) {

    /**
     * All of it.
     *
     * @return the sum in bytes
     */
    public double total() {
        return weights + gradients + optimizer + activations + logits + temporary;
    }
}
