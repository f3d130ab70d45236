package ai.molae.spec;

import ai.molae.internal.Checks;

/**
 * DeepSeek's multi-head latent attention: queries (optionally) and keys/values pass through low-rank projections with
 * their own RMSNorm, and one rotary key is shared by all heads.
 *
 * @param numAttentionHeads heads ({@code num_attention_heads})
 * @param qLoraRank rank of the query projection ({@code q_lora_rank}); 0 for a full query projection
 * @param kvLoraRank rank of the key/value projection ({@code kv_lora_rank})
 * @param qkNopeHeadDim width of a head's non-rotary part ({@code qk_nope_head_dim})
 * @param qkRopeHeadDim width of the rotary part ({@code qk_rope_head_dim}), even
 * @param vHeadDim width of a head's value ({@code v_head_dim})
 * @param ropeTheta base of the rotary frequencies ({@code rope_theta})
 */
public record LatentAttentionSpec(
        int numAttentionHeads,
        int qLoraRank,
        int kvLoraRank,
        int qkNopeHeadDim,
        int qkRopeHeadDim,
        int vHeadDim,
        double ropeTheta)
        implements AttentionSpec {

    /**
     * Validates the fields.
     *
     * @param numAttentionHeads heads
     * @param qLoraRank rank of the query projection
     * @param kvLoraRank rank of the key/value projection
     * @param qkNopeHeadDim width of a head's non-rotary part
     * @param qkRopeHeadDim width of the rotary part
     * @param vHeadDim width of a head's value
     * @param ropeTheta base of the rotary frequencies
     * @throws IllegalArgumentException if a field is out of range
     */
    public LatentAttentionSpec {
        Checks.positive("numAttentionHeads", numAttentionHeads);
        Checks.check(qLoraRank >= 0, "qLoraRank must be at least 0 (0: full projection), got %d", qLoraRank);
        Checks.positive("kvLoraRank", kvLoraRank);
        Checks.positive("qkNopeHeadDim", qkNopeHeadDim);
        Checks.check(
                qkRopeHeadDim >= 2 && qkRopeHeadDim % 2 == 0,
                "qkRopeHeadDim must be even and positive, got %d",
                qkRopeHeadDim);
        Checks.positive("vHeadDim", vHeadDim);
        Checks.finitePositive("ropeTheta", ropeTheta);
    }
}
