package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Objects;
import java.util.Optional;

/**
 * Causal attention in which groups of query heads share a key/value head, with rotary position embedding.
 *
 * @param numAttentionHeads query heads ({@code num_attention_heads})
 * @param numKeyValueHeads key/value heads ({@code num_key_value_heads}), a divisor of the query heads
 * @param headDim width of a head ({@code head_dim}), even; heads × headDim need not equal the hidden size
 * @param rope the rotary position embedding of all columns of a head
 * @param qkvBias whether query, key and value projections have a bias (Qwen2)
 * @param outputBias whether the output projection has a bias ({@code attention_bias} of Qwen3 and OLMoE is both)
 * @param qkNorm RMSNorm on queries and keys
 * @param clipQkv queries, keys and values are clamped to ±this after the norm ({@code clip_qkv}, OLMoE); infinity for never
 * @param slidingWindow layers that see only the last positions; empty for none
 */
public record GroupedQueryAttentionSpec(
        int numAttentionHeads,
        int numKeyValueHeads,
        int headDim,
        RopeSpec rope,
        boolean qkvBias,
        boolean outputBias,
        QkNorm qkNorm,
        double clipQkv,
        Optional<SlidingWindow> slidingWindow)
        implements AttentionSpec {

    /**
     * Validates the fields.
     *
     * @param numAttentionHeads query heads
     * @param numKeyValueHeads key/value heads
     * @param headDim width of a head
     * @param rope the rotary position embedding
     * @param qkvBias whether query, key and value projections have a bias
     * @param outputBias whether the output projection has a bias
     * @param qkNorm RMSNorm on queries and keys
     * @param clipQkv the limit of queries, keys and values
     * @param slidingWindow layers that see only the last positions
     * @throws IllegalArgumentException if a field is out of range
     */
    public GroupedQueryAttentionSpec {
        Objects.requireNonNull(rope, "rope");
        Objects.requireNonNull(qkNorm, "qkNorm");
        SpecLimits.checkSize("numAttentionHeads", numAttentionHeads);
        Checks.check(
                numKeyValueHeads >= 1 && numAttentionHeads % numKeyValueHeads == 0,
                "numKeyValueHeads must divide numAttentionHeads = %d, got %d",
                numAttentionHeads,
                numKeyValueHeads);
        Checks.check(headDim >= 2 && headDim % 2 == 0, "headDim must be even and positive, got %d", headDim);
        SpecLimits.checkSize("headDim", headDim);
        Checks.check(clipQkv > 0, "clipQkv must be positive (infinity: never), got %s", clipQkv);
    }

    /**
     * Attention without output bias, clipping, window and RoPE scaling.
     *
     * @param numAttentionHeads query heads
     * @param numKeyValueHeads key/value heads
     * @param headDim width of a head
     * @param ropeTheta base of the rotary frequencies
     * @param qkvBias whether query, key and value projections have a bias
     * @param qkNorm RMSNorm on queries and keys
     * @throws IllegalArgumentException if an argument is out of range
     */
    public GroupedQueryAttentionSpec(
            int numAttentionHeads,
            int numKeyValueHeads,
            int headDim,
            double ropeTheta,
            boolean qkvBias,
            QkNorm qkNorm) {
        this(
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                RopeSpec.of(ropeTheta),
                qkvBias,
                false,
                qkNorm,
                Double.POSITIVE_INFINITY,
                Optional.empty());
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

    /**
     * How many positions a layer sees.
     *
     * @param layer its index
     * @return the window's size; {@code Integer.MAX_VALUE} for all
     */
    public int window(int layer) {
        return slidingWindow
                .filter(window -> window.layers().contains(layer))
                .map(SlidingWindow::size)
                .orElse(Integer.MAX_VALUE);
    }
}
