package ai.molae.djl.convert;

/** In which norm the error of a factorisation is smallest. */
public enum Weighting {
    /** Frobenius: every element counts alike (the paper). */
    NONE,
    /** Experts count by how many tokens chose them. Needs a calibration. */
    FREQUENCY,
    /** Inputs count by the weights of the norm before the layer, rows by the norms of what they meet. Needs no text. */
    SCALES,
    /** The error on what the matrices read: second moments of inputs for gate and up, of each expert's h for down. Needs a calibration. */
    ACTIVATIONS,
    /** The error of the layer's output to first order: as ACTIVATIONS, and rows of gate and up count by what they do to it. Needs a calibration. */
    SENSITIVITY;

    /**
     * Whether text is needed.
     *
     * @return true if a calibration must be given
     */
    public boolean needsCalibration() {
        return this != NONE && this != SCALES;
    }
}
