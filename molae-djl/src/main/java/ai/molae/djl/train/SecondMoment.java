package ai.molae.djl.train;

/**
 * How AdamW keeps v, and with {@link #EIGHT_BIT} also m, of matrices; of everything else, and of matrices of less than 4096 elements for
 * {@link #EIGHT_BIT}, both moments are float32 in full. Bytes are for a parameter's element.
 *
 * <p>FACTORED holds the loss curve where it was measured: two layers of 8 experts, hidden size 64, 600 steps of 512 bytes of Java source, the
 * same learning rates: validation losses 1.812 (FULL) and 1.681 (FACTORED) nats per byte; after 200 steps, with two seeds, 2.434 and 2.470
 * against 2.327 and 2.325.
 */
public enum SecondMoment {
    /** m and v in float32: 8 bytes. libtorch's fused kernel. */
    FULL,
    /**
     * m in float32, v as the outer product of its means over rows and columns (Adafactor, Shazeer and Stern, arXiv 1804.04235), for each
     * matrix of a stack: 4 bytes, and 4 (rows + columns) for a matrix:
     *
     * <pre>
     *   r ← β₂r + (1−β₂) mean over columns of g²;   c ← β₂c + (1−β₂) mean over rows of g²;   v = r cᵀ / mean(r)
     * </pre>
     */
    FACTORED,
    /**
     * m and √v as 8-bit codes with a float32 scale for 256 elements (Dettmers et al., arXiv 2110.02861, with its dynamic tree quantisation):
     * 2.03 bytes. It is √v and no code of it is zero, so that a small v is rounded up and no update gets large by rounding.
     */
    EIGHT_BIT
}
