package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.loss.Loss;

/**
 * The loss of a {@link CausalLm}: mean cross-entropy of the labels plus, in training, the auxiliary loss that the model returns beside its
 * logits (its coefficients are already inside).
 *
 * <pre>
 *   loss = mean_{label ≠ -100} ( logsumexp(logits) - logits[label] )  +  aux
 * </pre>
 *
 * Labels are the tokens one position ahead: {@code labels[b, s] = tokens[b, s + 1]}.
 */
public final class CausalLmLoss extends Loss {

    /** A loss named {@code CausalLmLoss}. */
    public CausalLmLoss() {
        this("CausalLmLoss");
    }

    /**
     * A loss.
     *
     * @param name the name DJL reports it under
     */
    public CausalLmLoss(String name) {
        super(name);
    }

    /**
     * Evaluates the loss.
     *
     * @param labels {@code [B, S]} int64 or int32; -100 marks labels to leave out
     * @param predictions what the model returned
     * @return {@code []} float32, owned by the manager of the predictions
     * @throws IllegalArgumentException if shapes do not match or a label is no token id
     */
    @Override
    public NDArray evaluate(NDList labels, NDList predictions) {
        NDArray crossEntropy = crossEntropy(predictions.head(), labels.singletonOrThrow());
        if (predictions.size() == 1) {
            return crossEntropy;
        }
        try (crossEntropy) {
            return crossEntropy.add(predictions.get(1));
        }
    }

    /**
     * Mean cross-entropy over the labels that are not -100; zero, with zero gradients, if all are. Checking the labels waits for a GPU.
     *
     * @param logits {@code [..., V]} float32
     * @param labels {@code [...]} int64 or int32
     * @return {@code []} float32, owned by the manager of the logits
     * @throws IllegalArgumentException if shapes do not match or a label is neither -100 nor in [0, V); the message has the numbers
     */
    public static NDArray crossEntropy(NDArray logits, NDArray labels) {
        check(logits, labels);
        return LmOps.crossEntropy(logits, labels);
    }

    /** One label for each row of logits, all of them token ids or -100. */
    static void check(NDArray logits, NDArray labels) {
        checkOpen("logits", logits);
        checkOpen("labels", labels);
        Shape shape = logits.getShape();
        if (logits.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException(
                    "logits must be float32, got " + logits.getDataType() + " of shape " + shape);
        }
        if (shape.dimension() < 1 || !shape.slice(0, shape.dimension() - 1).equals(labels.getShape())) {
            throw new IllegalArgumentException(
                    "labels have shape " + labels.getShape() + ", logits " + shape + "; one label per row of logits");
        }
        if (labels.getDataType() != DataType.INT64 && labels.getDataType() != DataType.INT32) {
            throw new IllegalArgumentException("labels must be int64 or int32 token ids, got " + labels.getDataType());
        }
        LmOps.checkLabels(logits, labels);
    }

    private static void checkOpen(String name, NDArray array) {
        if (array.isReleased()) {
            throw new IllegalStateException(
                    "the " + name + " are closed, or the manager that owned them; evaluate the loss before");
        }
    }
}
