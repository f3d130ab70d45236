package ai.molae.cost;

/** The parts a model's cost is split into. */
public enum ModelPart {
    /** Token embedding {@code [V, n]}. */
    EMBEDDING,
    /**
     * Projections of every layer's attention with their biases and inner norms (on queries, keys and low-rank latents).
     */
    ATTENTION,
    /** The two RMSNorms of every layer and the final one. */
    NORMS,
    /** Routers of the MoE layers, correction biases included. */
    ROUTER,
    /** Routed experts of the MoE layers, latent projections included. */
    ROUTED_EXPERTS,
    /** Shared experts of the MoE layers, sigmoid gates included. */
    SHARED_EXPERTS,
    /** Feed-forward networks of the layers without experts. */
    DENSE_FEED_FORWARD,
    /** Output head {@code [V, n]}; no parameters of its own when tied to the embedding. */
    HEAD
}
