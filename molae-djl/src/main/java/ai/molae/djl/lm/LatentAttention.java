package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.LatentAttentionSpec;
import java.util.List;

/**
 * DeepSeek's multi-head latent attention (arXiv 2405.04434): keys and values of all heads are projections of one latent vector c of a
 * position, and one rotary key is shared by the heads:
 *
 * <pre>
 *   q = W_q x                or  W_qb norm(W_qa x + b_qa)          per head [q_nope | q_rope]
 *   [c | k_rope] = W_kva x + b_kva,   c = norm(c)                  norm: RMSNorm with an ε of its own
 *   [k_nope | v] = W_kvb c                                         per head
 *   y = W_o concat_h softmax(([q_nope | rope(q_rope)]_h · [k_nope_h | rope(k_rope)]) · scale, causal) v_h  + b_o
 * </pre>
 *
 * A cache holds {@code [c | rope(k_rope)]} only; a single new token is then compared with the latents themselves, {@code q_nope · k_nope =
 * (W_kᵀ q_nope) · c}, so that no keys and values are ever expanded.
 *
 * <p>Parameters are {@code q_proj [H (d_nope + d_rope), n]}, or {@code q_a_proj [r_q, n]}, {@code q_a_layernorm [r_q]} and {@code q_b_proj [H (d_nope +
 * d_rope), r_q]}; {@code kv_a_proj_with_mqa [r + d_rope, n]}, {@code kv_a_layernorm [r]}, {@code kv_b_proj [H (d_nope + d_v), r]},
 * {@code o_proj [n, H d_v]}; with bias {@code q_a_proj_bias}, {@code kv_a_proj_with_mqa_bias} and {@code o_proj_bias}. Another shape is an
 * {@link IllegalArgumentException}. Any number of threads may infer at once.
 */
public final class LatentAttention extends Attention {

    private final LatentAttentionSpec spec;

    /**
     * An attention block.
     *
     * @param spec what it is
     * @param hiddenSize n
     * @param initializerRange standard deviation of fresh weights
     * @param precision the arithmetic of the products
     */
    public LatentAttention(LatentAttentionSpec spec, int hiddenSize, double initializerRange, Precision precision) {
        super(spec, hiddenSize, precision);
        this.spec = spec;
        long heads = spec.numAttentionHeads();
        long query = heads * (spec.qkNopeHeadDim() + spec.qkRopeHeadDim());
        long latent = (long) spec.kvLoraRank() + spec.qkRopeHeadDim();
        // Packed weights are found by this order.
        if (spec.qLoraRank() == 0) {
            matrix("q_proj", initializerRange, query, hiddenSize);
        } else {
            matrix("q_a_proj", initializerRange, spec.qLoraRank(), hiddenSize);
            matrix("q_b_proj", initializerRange, query, spec.qLoraRank());
            gamma("q_a_layernorm", spec.qLoraRank());
        }
        matrix("kv_a_proj_with_mqa", initializerRange, latent, hiddenSize);
        matrix("kv_b_proj", initializerRange, heads * (spec.qkNopeHeadDim() + spec.vHeadDim()), spec.kvLoraRank());
        matrix("o_proj", initializerRange, hiddenSize, heads * spec.vHeadDim());
        gamma("kv_a_layernorm", spec.kvLoraRank());
        if (spec.bias()) {
            if (spec.qLoraRank() > 0) {
                bias("q_a_proj_bias", spec.qLoraRank());
            }
            bias("kv_a_proj_with_mqa_bias", latent);
            bias("o_proj_bias", hiddenSize);
        }
    }

    /** Decoding multiplies with the transposed halves of this one. */
    @Override
    protected Storage storage(String parameter) {
        return parameter.equals("kv_b_proj") ? Storage.PLAIN : super.storage(parameter);
    }

    @Override
    public List<String> adaptable() {
        return AttentionOps.latentMatrices(spec);
    }

    @Override
    NDArray apply(
            ParameterStore parameterStore, NDArray x, Positions positions, KvCache.Layer cache, boolean training) {
        return AttentionOps.latent(spec, weights(parameterStore, x, training, precision), x, positions, cache);
    }
}
