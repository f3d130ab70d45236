package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Objects;

/**
 * DeepSeek's multi-head latent attention (arXiv 2405.04434): queries (optionally) and keys/values pass through low-rank
 * projections with their own RMSNorm, and one rotary key is shared by all heads.
 *
 * @param numAttentionHeads heads ({@code num_attention_heads})
 * @param qLoraRank rank of the query projection ({@code q_lora_rank}); 0 for a full query projection
 * @param kvLoraRank rank of the key/value projection ({@code kv_lora_rank})
 * @param qkNopeHeadDim width of a head's non-rotary part ({@code qk_nope_head_dim})
 * @param qkRopeHeadDim width of the rotary part ({@code qk_rope_head_dim}), even
 * @param vHeadDim width of a head's value ({@code v_head_dim})
 * @param rope the rotary position embedding of the rotary part
 * @param normEps ε of the norms between the low-rank projections: 1e-6 in every checkpoint, whatever {@code rms_norm_eps} says
 * @param bias whether the projections that read or write the residual stream have a bias ({@code attention_bias}), except a full
 *     query projection
 */
public record LatentAttentionSpec(
        int numAttentionHeads,
        int qLoraRank,
        int kvLoraRank,
        int qkNopeHeadDim,
        int qkRopeHeadDim,
        int vHeadDim,
        RopeSpec rope,
        double normEps,
        boolean bias)
        implements AttentionSpec {

    /** ε of the inner norms in DeepSeek's and Hugging Face's code. */
    public static final double NORM_EPS = 1e-6;

    /**
     * Validates the fields.
     *
     * @param numAttentionHeads heads
     * @param qLoraRank rank of the query projection
     * @param kvLoraRank rank of the key/value projection
     * @param qkNopeHeadDim width of a head's non-rotary part
     * @param qkRopeHeadDim width of the rotary part
     * @param vHeadDim width of a head's value
     * @param rope the rotary position embedding
     * @param normEps ε of the inner norms
     * @param bias whether the outer projections have a bias
     * @throws IllegalArgumentException if a field is out of range
     */
    public LatentAttentionSpec {
        Objects.requireNonNull(rope, "rope");
        SpecLimits.checkSize("numAttentionHeads", numAttentionHeads);
        Checks.check(qLoraRank >= 0, "qLoraRank must be at least 0 (0: full projection), got %d", qLoraRank);
        SpecLimits.checkSize("qLoraRank", Math.max(1, qLoraRank));
        SpecLimits.checkSize("kvLoraRank", kvLoraRank);
        SpecLimits.checkSize("qkNopeHeadDim", qkNopeHeadDim);
        Checks.check(
                qkRopeHeadDim >= 2 && qkRopeHeadDim % 2 == 0,
                "qkRopeHeadDim must be even and positive, got %d",
                qkRopeHeadDim);
        SpecLimits.checkSize("qkRopeHeadDim", qkRopeHeadDim);
        SpecLimits.checkSize("vHeadDim", vHeadDim);
        Checks.finitePositive("normEps", normEps);
    }

    /**
     * Attention with interleaved rotary pairs, without bias and RoPE scaling.
     *
     * @param numAttentionHeads heads
     * @param qLoraRank rank of the query projection
     * @param kvLoraRank rank of the key/value projection
     * @param qkNopeHeadDim width of a head's non-rotary part
     * @param qkRopeHeadDim width of the rotary part
     * @param vHeadDim width of a head's value
     * @param ropeTheta base of the rotary frequencies
     * @throws IllegalArgumentException if an argument is out of range
     */
    public LatentAttentionSpec(
            int numAttentionHeads,
            int qLoraRank,
            int kvLoraRank,
            int qkNopeHeadDim,
            int qkRopeHeadDim,
            int vHeadDim,
            double ropeTheta) {
        this(
                numAttentionHeads,
                qLoraRank,
                kvLoraRank,
                qkNopeHeadDim,
                qkRopeHeadDim,
                vHeadDim,
                new RopeSpec(ropeTheta, true, new RopeScaling.None()),
                NORM_EPS,
                false);
    }

    /**
     * What {@code q·k} is multiplied by.
     *
     * @return {@code (d_nope + d_rope)^-½}, times m² of {@link RopeScaling.Yarn}
     */
    public double softmaxScale() {
        double scale = 1 / Math.sqrt((double) qkNopeHeadDim + qkRopeHeadDim);
        return rope.scaling() instanceof RopeScaling.Yarn yarn
                ? scale * yarn.softmaxMscale() * yarn.softmaxMscale()
                : scale;
    }
}
