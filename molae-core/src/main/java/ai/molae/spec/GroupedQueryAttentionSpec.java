package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Objects;

/**
 * Causal attention in which groups of query heads share a key/value head, with rotary position embedding.
 *
 * @param numAttentionHeads query heads ({@code num_attention_heads})
 * @param numKeyValueHeads key/value heads ({@code num_key_value_heads}), a divisor of the query heads
 * @param headDim width of a head ({@code head_dim}), even; heads × headDim need not equal the hidden size
 * @param ropeTheta base of the rotary frequencies ({@code rope_theta})
 * @param qkvBias whether query, key and value projections have a bias (Qwen2)
 * @param qkNorm RMSNorm on queries and keys
 */
public record GroupedQueryAttentionSpec(
        int numAttentionHeads, int numKeyValueHeads, int headDim, double ropeTheta, boolean qkvBias, QkNorm qkNorm)
        implements AttentionSpec {

    /**
     * Validates the fields.
     *
     * @param numAttentionHeads query heads
     * @param numKeyValueHeads key/value heads
     * @param headDim width of a head
     * @param ropeTheta base of the rotary frequencies
     * @param qkvBias whether query, key and value projections have a bias
     * @param qkNorm RMSNorm on queries and keys
     * @throws IllegalArgumentException if a field is out of range
     */
    public GroupedQueryAttentionSpec {
        Objects.requireNonNull(qkNorm, "qkNorm");
        Checks.positive("numAttentionHeads", numAttentionHeads);
        Checks.check(
                numKeyValueHeads >= 1 && numAttentionHeads % numKeyValueHeads == 0,
                "numKeyValueHeads must divide numAttentionHeads = %d, got %d",
                numAttentionHeads,
                numKeyValueHeads);
        Checks.check(headDim >= 2 && headDim % 2 == 0, "headDim must be even and positive, got %d", headDim);
        Checks.finitePositive("ropeTheta", ropeTheta);
    }

    /**
     * Attention with rotary base 10,000, no bias and no query/key norm.
     *
     * @param numAttentionHeads query heads
     * @param numKeyValueHeads key/value heads
     * @param headDim width of a head
     * @return the spec
     * @throws IllegalArgumentException if an argument is out of range
     */
    public static GroupedQueryAttentionSpec of(int numAttentionHeads, int numKeyValueHeads, int headDim) {
        return new GroupedQueryAttentionSpec(numAttentionHeads, numKeyValueHeads, headDim, 10_000, false, QkNorm.NONE);
    }
}
