package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.training.loss.Loss;

/**
 * A loss plus the auxiliary loss that a model of MoE layers returns as its second prediction in training:
 * {@code base(labels, predictions[0]) + predictions[1]}. Coefficients are already inside, see
 * {@link ai.molae.spec.RouterSpec}. In inference there is no second prediction and the base loss stands alone.
 */
public final class AuxLoss extends Loss {

    private final Loss base;

    /**
     * Wraps a loss.
     *
     * @param base the loss of the first prediction
     */
    public AuxLoss(Loss base) {
        super(base.getName());
        this.base = base;
    }

    @Override
    public NDArray evaluate(NDList labels, NDList predictions) {
        NDArray loss = base.evaluate(labels, new NDList(predictions.head()));
        return predictions.size() > 1 ? loss.add(predictions.get(1)) : loss;
    }
}
