package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.MoeSpec;
import java.util.HashMap;
import java.util.Map;

/** What a block's router makes of logits. Its matrix is the identity, so that logits are exactly what the tokens are. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record BlockRouting(long[] ids, float[] weights, float aux, long[] load) {

    double[] denseWeights(MoeSpec spec) {
        double[] dense = new double[ids.length / spec.topK() * spec.numExperts()];
        for (int slot = 0; slot < ids.length; slot++) {
            dense[slot / spec.topK() * spec.numExperts() + (int) ids[slot]] = weights[slot];
        }
        return dense;
    }

    static BlockRouting of(MoeSpec spec, double[][] logitsTN, double[] bias, int sequenceLength) {
        try (NDManager manager = NDManager.newBaseManager()) {
            int n = spec.numExperts();
            Map<String, NDArray> parameters = new HashMap<>();
            parameters.put("router", manager.eye(n, n, 0, DataType.FLOAT32));
            if (bias.length > 0) {
                parameters.put("e_score_correction_bias", manager.create(LayerCase.floats(bias)));
            }
            NDArray x = manager.create(LayerCase.floats(LayerCase.flat(logitsTN)), new Shape(logitsTN.length, n));
            NDList routing = RouterOps.route(
                    spec,
                    new MoeOps.Tokens(x, TorchArguments.absent(), sequenceLength),
                    parameters,
                    Account.of(RouterOps.Statistics.AUX));
            return new BlockRouting(
                    routing.get(0).toLongArray(),
                    routing.get(1).toFloatArray(),
                    routing.get(2).getFloat(),
                    routing.get(3).toLongArray());
        }
    }
}
