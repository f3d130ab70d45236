package ai.molae.djl.convert.calibrate;

import ai.molae.spec.MoeSpec;

/**
 * Which moments are collected besides those of the layer's input and of what the experts' down reads.
 *
 * @param expertInputs whether the moments {@code [n, n]} of each expert's input are
 * @param inner how much of the inner moments of gate and up
 */
public record MomentSettings(boolean expertInputs, InnerMoments inner) {

    /** Only the layer's input and what down reads. */
    public static final MomentSettings LEAST = new MomentSettings(false, InnerMoments.NONE);

    /**
     * The memory that the moments of a layer take while they are collected, and nearly what they take on the disk:
     *
     * <pre>
     *   8 (n² + N m² + 4 N + N²  [+ N n²]  [+ operators but down · N m or N m²])
     * </pre>
     *
     * @param spec the layer
     * @return bytes
     */
    public long bytes(MoeSpec spec) {
        long n = spec.hiddenSize();
        long m = spec.intermediateSize();
        long experts = spec.numExperts();
        long others = spec.operators().size() - 1L;
        long inner =
                switch (this.inner) {
                    case NONE -> 0;
                    case DIAGONAL -> others * m;
                    case FULL -> others * m * m;
                };
        return Double.BYTES * (n * n + experts * (experts + 4 + m * m + inner + (expertInputs ? n * n : 0)));
    }
}
