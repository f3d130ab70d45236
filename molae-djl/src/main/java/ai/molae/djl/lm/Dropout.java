package ai.molae.djl.lm;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;

/**
 * Dropout of what attention and feed-forward part of a layer add to the residual stream (Srivastava et al., JMLR 15, 2014): elements are
 * zeroed with probability p and the others divided by 1 - p, in training only. The mask follows from the seed alone, so that a segment that
 * is recomputed gets the same one.
 *
 * @param p the probability, 0 for no dropout
 * @param seed of the masks of this layer
 */
record Dropout(double p, long seed) {

    static final Dropout NONE = new Dropout(0, 0);

    /** The dropout of one layer of a model. */
    Dropout ofLayer(int layer) {
        return new Dropout(p, seed * 0x9E3779B97F4A7C15L + layer);
    }

    /** Drops elements of y, which stays; the mask of each place in the layer is its own. */
    NDArray apply(NDArray y, int place) {
        long mixed = (seed * 31 + place) * 0xBF58476D1CE4E5B9L;
        Engine.getEngine("PyTorch").setRandomSeed((int) (mixed >>> 32));
        return LmOps.dropout(y, p);
    }
}
