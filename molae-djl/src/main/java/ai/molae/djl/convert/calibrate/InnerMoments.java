package ai.molae.djl.convert.calibrate;

/** How much is collected of the inner moments of gate and up, see {@link LayerMoments}. */
public enum InnerMoments {
    /** Nothing. */
    NONE,
    /** The diagonals, {@code [m]} for each expert. */
    DIAGONAL,
    /** The whole matrices, {@code [m, m]} for each expert. */
    FULL
}
