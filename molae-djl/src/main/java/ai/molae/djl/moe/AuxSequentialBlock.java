package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.nn.SequentialBlock;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * A chain of blocks, any of which may be a {@link MoeBlock}: every block gets the first output of the one before it, and what MoE layers
 * return beside it is collected: a second output that is a scalar counts as auxiliary loss. Training returns {@code NDList(y, aux)} with aux {@code []} the sum of the auxiliary losses if there is any;
 * inference returns {@code NDList(y)}. {@link AuxLoss} adds aux to a loss.
 */
public final class AuxSequentialBlock extends SequentialBlock {

    /** An empty chain; add blocks with {@link #add(Block)}. */
    public AuxSequentialBlock() {}

    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore, NDList inputs, boolean training, @Nullable PairList<String, Object> params) {
        return chain(inputs, training, (block, x) -> block.forward(parameterStore, x, training, params));
    }

    /** The training call of {@code Trainer.forward(data, labels)}, which EasyTrain uses. */
    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore, NDList inputs, NDList labels, @Nullable PairList<String, Object> params) {
        return chain(inputs, true, (block, x) -> block.forward(parameterStore, x, labels, params));
    }

    private NDList chain(NDList inputs, boolean training, BiFunction<Block, NDList, NDList> forward) {
        NDList current = inputs;
        NDArray aux = null;
        for (Block block : getChildren().values()) {
            NDList outputs = forward.apply(block, current);
            if (training && outputs.size() > 1 && outputs.get(1).getShape().isScalar()) {
                aux = aux == null ? outputs.get(1) : aux.add(outputs.get(1));
            }
            current = new NDList(outputs.head());
        }
        if (aux != null) {
            current.add(aux);
        }
        return current;
    }
}
