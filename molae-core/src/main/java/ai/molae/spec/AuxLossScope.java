package ai.molae.spec;

/** What a load-balancing loss balances. */
public enum AuxLossScope {
    /** Each layer over all tokens of the batch; a model adds its layers' losses up (Switch Transformer, Megatron-Core). */
    LAYER,
    /**
     * All layers of a model pooled: the share and the mean probability of expert i are averaged over layers before they are multiplied (Hugging
     * Face's Mixtral, Qwen and OLMoE). A layer by itself balances as {@link #LAYER} does.
     */
    MODEL,
    /** Each layer inside every sequence, averaged over the sequences (DeepSeek's {@code seq_aux}). */
    SEQUENCE
}
