package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;

/**
 * The attention of a decoder layer: {@link GroupedQueryAttention} or {@link LatentAttention}. Input and output are {@code [B, S, n]} float32;
 * the output belongs to the manager of the input.
 */
public abstract class Attention extends LmBlock {

    private final AttentionSpec spec;
    private final int hiddenSize;
    final Precision precision;

    Attention(AttentionSpec spec, int hiddenSize, Precision precision) {
        this.spec = spec;
        this.hiddenSize = hiddenSize;
        this.precision = precision;
    }

    /**
     * The attention of a model's layer.
     *
     * @param model the model
     * @param layer which of its layers, from 0
     * @param precision the arithmetic of the products
     * @return the block
     */
    static Attention of(ModelSpec model, int layer, Precision precision) {
        if (model.attention() instanceof GroupedQueryAttentionSpec grouped) {
            return new GroupedQueryAttention(
                    grouped,
                    model.hiddenSize(),
                    model.rmsNormEps(),
                    model.initializerRange(),
                    grouped.window(layer),
                    precision);
        }
        return new LatentAttention(
                (LatentAttentionSpec) model.attention(), model.hiddenSize(), model.initializerRange(), precision);
    }

    /** Attention of the tokens x {@code [B, S, n]} over themselves and what the cache holds. */
    abstract NDArray apply(
            ParameterStore parameterStore, NDArray x, Positions positions, KvCache.Layer cache, boolean training);

    @Override
    final NDList compute(ParameterStore parameterStore, NDList inputs, boolean training) {
        NDArray x = inputs.singletonOrThrow();
        int tokens = (int) x.getShape().get(1);
        try (Positions positions = Positions.of(spec, x.getManager(), tokens, TorchArguments.absent(), 0)) {
            return new NDList(apply(parameterStore, x, positions, KvCache.Layer.NONE, training));
        }
    }

    @Override
    final void checkShape(Shape shape) {
        checkLast(shape, 3, "[B, S, hiddenSize", hiddenSize);
        if (shape.dimension() != 3) {
            throw new IllegalArgumentException(getClass().getSimpleName() + " reads [B, S, n], got " + shape);
        }
        long tokens = shape.get(1);
        if (tokens < 1 || tokens > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(getClass().getSimpleName() + " reads sequences of 1 to "
                    + Integer.MAX_VALUE + " tokens, got " + shape);
        }
    }
}
