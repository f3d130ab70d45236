package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.QkNorm;
import java.util.List;

/**
 * Causal attention with H query heads of which each {@code H / G} share a key/value head (Ainslie et al., arXiv 2305.13245), and rotary
 * position embedding (Su et al., arXiv 2104.09864):
 *
 * <pre>
 *   q = rope(clip(norm(W_q x + b_q))),  k = rope(clip(norm(W_k x + b_k))),  v = clip(W_v x + b_v)
 *   y = W_o concat_h softmax(q_h k_gᵀ / √d, causal, inside the window) v_g  + b_o        g = ⌊h G / H⌋
 * </pre>
 *
 * The rotation is Hugging Face's: column i of a head is paired with column {@code i + d/2}, or with its neighbour where the spec says
 * interleaved, both turned by {@code position · ω_i} ({@link ai.molae.spec.RopeSpec#frequencies}), in float32.
 *
 * <p>Input and output are {@code [B, S, n]} float32; the output belongs to the manager of the input. Parameters are {@code q_proj [H d, n]},
 * {@code k_proj} and {@code v_proj [G d, n]}, {@code o_proj [n, H d]}; with bias {@code q_proj_bias [H d]}, {@code k_proj_bias} and
 * {@code v_proj_bias [G d]}, {@code o_proj_bias [n]}; with {@link QkNorm#PER_HEAD} {@code q_norm} and {@code k_norm [d]}, with
 * {@link QkNorm#FULL} {@code q_norm [H d]} and {@code k_norm [G d]}. Another shape is an {@link IllegalArgumentException}. Any number of
 * threads may infer at once.
 */
public final class GroupedQueryAttention extends Attention {

    private final GroupedQueryAttentionSpec spec;
    private final double eps;
    private final int window;

    /**
     * An attention block.
     *
     * @param spec what it is
     * @param hiddenSize n
     * @param eps ε of the norms of queries and keys
     * @param initializerRange standard deviation of fresh weights
     * @param window how many positions a token sees, its own included; {@code Integer.MAX_VALUE} for all
     * @param precision the arithmetic of the products
     */
    public GroupedQueryAttention(
            GroupedQueryAttentionSpec spec,
            int hiddenSize,
            double eps,
            double initializerRange,
            int window,
            Precision precision) {
        super(spec, hiddenSize, precision);
        this.spec = spec;
        this.eps = eps;
        this.window = window;
        long query = (long) spec.numAttentionHeads() * spec.headDim();
        long keyValue = (long) spec.numKeyValueHeads() * spec.headDim();
        // Packed weights are found by this order.
        matrix("q_proj", initializerRange, query, hiddenSize);
        matrix("k_proj", initializerRange, keyValue, hiddenSize);
        matrix("v_proj", initializerRange, keyValue, hiddenSize);
        matrix("o_proj", initializerRange, hiddenSize, query);
        if (spec.qkvBias()) {
            bias("q_proj_bias", query);
            bias("k_proj_bias", keyValue);
            bias("v_proj_bias", keyValue);
        }
        if (spec.outputBias()) {
            bias("o_proj_bias", hiddenSize);
        }
        if (spec.qkNorm() != QkNorm.NONE) {
            boolean full = spec.qkNorm() == QkNorm.FULL;
            gamma("q_norm", full ? query : spec.headDim());
            gamma("k_norm", full ? keyValue : spec.headDim());
        }
    }

    @Override
    public List<String> adaptable() {
        return AttentionOps.GROUPED;
    }

    @Override
    NDArray apply(
            ParameterStore parameterStore, NDArray x, Positions positions, KvCache.Layer cache, boolean training) {
        return AttentionOps.grouped(
                spec, window, eps, weights(parameterStore, x, training, precision), x, positions, cache);
    }
}
