package ai.molae.bench.contender;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.PreparableBlock;

/** molae's {@code MoeBlock}, prepared for inference; {@link ai.molae.bench.workload.Variant#DENSE} is its {@code DenseFeedForward}. */
final class MolaeContender implements Contender {

    private final NDManager manager = NDManager.newBaseManager();
    private final PreparableBlock block;
    private final NDArray[] inputs;

    MolaeContender(LayerCase layer, Precision precision) {
        block = Blocks.molae(manager, layer, Precision.FLOAT32, false);
        block.prepareForInference(precision);
        inputs = Blocks.inputs(manager, layer);
    }

    @Override
    public void forward(int call) {
        try (NDManager scope = manager.newSubManager()) {
            Blocks.await(run(inputs[call % INPUTS], scope));
        }
    }

    @Override
    public float[] output(int input) {
        try (NDManager scope = manager.newSubManager()) {
            return run(inputs[input], scope).toFloatArray();
        }
    }

    private NDArray run(NDArray x, NDManager scope) {
        return block.forward(new ParameterStore(scope, false), new NDList(Blocks.alias(x, scope)), false)
                .singletonOrThrow();
    }

    @Override
    public void close() {
        manager.close();
    }
}
