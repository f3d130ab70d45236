package ai.molae.spec;

/** The attention part of a decoder layer. */
public sealed interface AttentionSpec permits GroupedQueryAttentionSpec, LatentAttentionSpec {

    /**
     * The number of query heads.
     *
     * @return {@code num_attention_heads}
     */
    int numAttentionHeads();

    /**
     * The rotary position embedding.
     *
     * @return RoPE
     */
    RopeSpec rope();
}
