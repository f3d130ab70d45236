package ai.molae.bench.contender;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.NDArrayMoe;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.util.Map;
import java.util.Optional;

/** The loop over experts that a DJL user would write, {@link NDArrayMoe}. */
final class NDArrayContender implements Contender {

    private final NDManager manager = NDManager.newBaseManager();
    private final MoeSpec spec;
    private final Map<String, NDArray> parameters;
    private final NDArray[] inputs;

    NDArrayContender(LayerCase layer, Precision precision) {
        checkPrecision(precision);
        spec = layer.spec();
        parameters = Blocks.parameters(Blocks.build(manager, MoeBlock.builder(), layer));
        inputs = Blocks.inputs(manager, layer);
    }

    static void checkPrecision(Precision precision) {
        refusal(precision).ifPresent(why -> {
            throw new IllegalArgumentException(why);
        });
    }

    /** Why it does not compute in a precision; empty if it does. */
    static Optional<String> refusal(Precision precision) {
        return precision == Precision.FLOAT32
                ? Optional.empty()
                : Optional.of("DJL's arrays multiply in FLOAT32, not in " + precision);
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
        try (NoGrad noGrad = new NoGrad()) {
            return NDArrayMoe.infer(spec, parameters, Blocks.alias(x, scope));
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
