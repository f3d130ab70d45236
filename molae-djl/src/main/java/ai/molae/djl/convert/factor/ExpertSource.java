package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;

/** The matrices of a standard MoE layer, one at a time, so that a layer need not stand in memory. */
public interface ExpertSource {

    /**
     * The layer.
     *
     * @return its spec, without latent part
     */
    MoeSpec spec();

    /**
     * Reads a matrix.
     *
     * @param manager will own it
     * @param expert i
     * @param operator which one
     * @return float32 {@code [m, n]} for gate and up, {@code [n, m]} for down
     */
    NDArray read(NDManager manager, int expert, ExpertOperator operator);
}
