package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.QkNorm;

/**
 * Causal attention with H query heads of which each {@code H / G} share a key/value head (Ainslie et al., arXiv 2305.13245), and rotary
 * position embedding (Su et al., arXiv 2104.09864):
 *
 * <pre>
 *   q = rope(norm(W_q x + b_q)),  k = rope(norm(W_k x + b_k)),  v = W_v x + b_v
 *   y = W_o concat_h softmax(q_h k_gᵀ / √d, causal) v_g        g = ⌊h G / H⌋
 * </pre>
 *
 * The rotation is Hugging Face's: column i of a head is paired with column {@code i + d/2}, both turned by
 * {@code position · ropeTheta^(-2i/d)}, in float32.
 *
 * <p>Input and output are {@code [B, S, n]} float32; the output belongs to the manager of the input. Parameters are {@code q_proj [H d, n]},
 * {@code k_proj} and {@code v_proj [G d, n]}, {@code o_proj [n, H d]}; with bias {@code q_proj_bias [H d]}, {@code k_proj_bias} and
 * {@code v_proj_bias [G d]}; with {@link QkNorm#PER_HEAD} {@code q_norm} and {@code k_norm [d]}, with {@link QkNorm#FULL}
 * {@code q_norm [H d]} and {@code k_norm [G d]}. Another shape is an {@link IllegalArgumentException}. Any number of threads may infer at
 * once.
 */
public final class GroupedQueryAttention extends LmBlock {

    private final GroupedQueryAttentionSpec spec;
    private final Precision precision;
    private final int hiddenSize;
    private final double eps;

    /**
     * The attention of a model's layer.
     *
     * @param model the model
     * @param precision the arithmetic of the products
     * @throws IllegalArgumentException if the model has multi-head latent attention
     */
    public GroupedQueryAttention(ModelSpec model, Precision precision) {
        if (!(model.attention() instanceof GroupedQueryAttentionSpec grouped)) {
            throw new IllegalArgumentException(
                    "multi-head latent attention can be counted (CostModel) but not yet run; " + "the model has "
                            + model.attention());
        }
        spec = grouped;
        this.precision = precision;
        hiddenSize = model.hiddenSize();
        eps = model.rmsNormEps();
        long query = (long) grouped.numAttentionHeads() * grouped.headDim();
        long keyValue = (long) grouped.numKeyValueHeads() * grouped.headDim();
        matrix("q_proj", model.initializerRange(), query, hiddenSize);
        matrix("k_proj", model.initializerRange(), keyValue, hiddenSize);
        matrix("v_proj", model.initializerRange(), keyValue, hiddenSize);
        matrix("o_proj", model.initializerRange(), hiddenSize, query);
        if (grouped.qkvBias()) {
            bias("q_proj_bias", query);
            bias("k_proj_bias", keyValue);
            bias("v_proj_bias", keyValue);
        }
        if (grouped.qkNorm() != QkNorm.NONE) {
            boolean full = grouped.qkNorm() == QkNorm.FULL;
            gamma("q_norm", full ? query : grouped.headDim());
            gamma("k_norm", full ? keyValue : grouped.headDim());
        }
    }

    NDArray apply(ParameterStore parameterStore, NDArray x, KvCache.Layer cache, boolean training) {
        return LmOps.attention(spec, x, values(parameterStore, x, training), cache, eps, precision);
    }

    @Override
    NDList forward(ParameterStore parameterStore, NDArray x, boolean training) {
        return new NDList(apply(parameterStore, x, KvCache.Layer.NONE, training));
    }

    @Override
    void checkShape(Shape shape) {
        checkLast(shape, 3, "[B, S, hiddenSize", hiddenSize);
        if (shape.dimension() != 3) {
            throw new IllegalArgumentException("GroupedQueryAttention reads [B, S, n], got " + shape);
        }
    }
}
