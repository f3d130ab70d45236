package ai.molae.spec;

/**
 * What a load-balancing loss balances. A step that is cut into passes (gradient accumulation) has the loss of the whole step if every pass
 * weighs its tokens for {@link #SEQUENCE} alone; the others multiply a share by a mean of the same tokens, so that they depend on the cut.
 */
public enum AuxLossScope {
    /** Each layer over all tokens of the batch; a model adds its layers' losses up (Switch Transformer, Megatron-Core). */
    LAYER,
    /**
     * All layers of a model pooled: the share and the mean probability of expert i are averaged over layers before they are multiplied (Hugging
     * Face's Mixtral, Qwen and OLMoE). A layer by itself balances as {@link #LAYER} does.
     */
    MODEL,
    /**
     * Each layer inside every sequence, averaged over the sequences (DeepSeek's {@code seq_aux}), each of which weighs its tokens without
     * padding.
     */
    SEQUENCE,
    /**
     * Each layer over all passes of an optimizer step so far: the share of expert i is of all tokens since the step began, its mean
     * probability of this pass (Megatron-Core's {@code global_aux_loss}). So an expert may be busy in one pass and idle in the next. In the
     * first pass of a step, and where nobody keeps count of the passes, it is {@link #LAYER}.
     */
    GLOBAL
}
