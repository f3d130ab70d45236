package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;

/**
 * The matrices of a layer in memory.
 *
 * @param block a standard layer with float32 parameters
 */
record BlockExperts(MoeBlock block) implements ExpertSource {

    @Override
    public MoeSpec spec() {
        return block.spec();
    }

    @Override
    public NDArray read(NDManager manager, int expert, ExpertOperator operator) {
        return ExpertMatrices.of(manager, block, expert, operator);
    }
}
