package ai.molae.spec;

/** RMSNorm on queries and keys before rotary embedding. */
public enum QkNorm {
    /** None (Mixtral, Qwen2-MoE). */
    NONE,
    /** Over each head's {@code headDim}, one weight vector shared by the heads (Qwen3). */
    PER_HEAD,
    /** Over the full projection before it is split into heads (OLMoE). */
    FULL
}
