package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/**
 * The loss of a {@link CausalLm} that learns from the logits of another one (Hinton et al., arXiv 1503.02531), in nats:
 *
 * <pre>
 *   loss = mean_{label ≠ -100} ( (1 − share) · (logsumexp(z) − z[label])  +  share · T² · KL( softmax(t / T) ‖ softmax(z / T) ) )
 * </pre>
 *
 * with z the logits and t those of the teacher. T² keeps the gradient of the divergence as large as it is with T = 1.
 *
 * @param temperature T, above 0; more than 1 makes what the teacher holds improbable count more
 * @param share of the divergence, from 0 (cross-entropy) to 1 (the teacher alone)
 */
public record DistillationLoss(double temperature, double share) {

    /**
     * Checks the numbers.
     *
     * @param temperature T
     * @param share of the divergence
     * @throws IllegalArgumentException if one is out of range
     */
    public DistillationLoss {
        if (!(temperature > 0 && temperature <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException(
                    "the temperature of distillation must be above 0 and finite, got " + temperature);
        }
        if (!(share >= 0 && share <= 1)) {
            throw new IllegalArgumentException("the share of distillation must be between 0 and 1, got " + share);
        }
    }

    /**
     * A loss and what to differentiate in its place.
     *
     * @param loss {@code []} float32, without a graph
     * @param surrogate {@code []} float32, with the gradient of the loss and another value
     */
    public record Value(NDArray loss, NDArray surrogate) {}

    /**
     * Evaluates the loss and works its gradient out at once. The teacher's logits give their memory to the gradient: besides the two
     * arguments and what {@code backward} makes, no array of their size is needed.
     *
     * @param logits {@code [..., V]} float32
     * @param teacherLogits the same shape; overwritten, and to be left alone until {@code backward} has run. It may be closed
     * @param labels {@code [...]} int64 or int32; -100 marks positions to leave out
     * @return the loss and its surrogate, zero with zero gradients if no label counts; owned by the manager of the logits
     * @throws IllegalArgumentException if shapes do not match or a label is neither -100 nor in [0, V); the message has the numbers
     */
    public Value evaluate(NDArray logits, NDArray teacherLogits, NDArray labels) {
        if (!logits.getShape().equals(teacherLogits.getShape())) {
            throw new IllegalArgumentException("the teacher's logits have shape " + teacherLogits.getShape()
                    + ", the model's " + logits.getShape() + "; both must be of the same tokens and vocabulary");
        }
        CausalLmLoss.check(logits, labels);
        NDList result = LmOps.distillation(logits, teacherLogits, labels, temperature, share);
        return new Value(result.get(0), result.get(1));
    }
}
