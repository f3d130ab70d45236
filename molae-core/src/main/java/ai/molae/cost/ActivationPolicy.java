package ai.molae.cost;

/** Which activations stay in memory between forward and backward. */
public enum ActivationPolicy {
    /**
     * Every input of a matrix product as it was used, so also the copies of rows that dispatch made: {@code x [T·K, n]}
     * for dense operators, {@code x [T·D, n]} and {@code z [T·K, R]} for factored ones. What automatic differentiation
     * keeps.
     */
    KEEP_GATHERED,
    /** Every distinct row once, {@code x [T, n]} and {@code z [T·D, R]}; backward gathers the copies again. */
    KEEP_DISTINCT,
    /** The input of the layer only; backward runs the layer's forward again (gradient checkpointing). */
    RECOMPUTE
}
