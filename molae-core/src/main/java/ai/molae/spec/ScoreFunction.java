package ai.molae.spec;

/** How a router turns its logits {@code l = x W_routerᵀ} into scores and chooses among them. */
public enum ScoreFunction {
    /** {@code s = softmax(l)} over all experts, then the top K of s (Qwen2-MoE, Qwen3-MoE, OLMoE, DeepSeek-V2). */
    SOFTMAX,
    /** The top K of l, then softmax over the chosen logits (Mixtral): {@link #SOFTMAX} with {@code normTopkProb}. */
    SOFTMAX_OVER_CHOSEN,
    /** {@code s = sigmoid(l)}, then the top K of s plus the correction bias (DeepSeek-V3, Moonlight, Nemotron-H). */
    SIGMOID
}
