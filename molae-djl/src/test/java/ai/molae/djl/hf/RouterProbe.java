package ai.molae.djl.hf;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.Activation;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;

/**
 * A layer that lays its router open: tokens are {@code [logits, 1]}, the router's matrix takes the logits, expert e answers with the e-th
 * unit vector, and so y is the weights of all experts, 0 where not chosen.
 */
final class RouterProbe {

    private final NDManager manager;
    private final MoeBlock block;
    private final int numExperts;

    RouterProbe(
            NDManager manager,
            int numExperts,
            int topK,
            RouterSpec router,
            Precision precision,
            double... correctionBias) {
        this.manager = manager;
        this.numExperts = numExperts;
        int n = numExperts + 1;
        block = MoeBlock.builder()
                .setSpec(MoeSpec.builder()
                        .setHiddenSize(n)
                        .setIntermediateSize(1)
                        .setNumExperts(numExperts)
                        .setTopK(topK)
                        .optActivation(Activation.RELU)
                        .optGated(false)
                        .optRouter(router)
                        .build())
                .optPrecision(precision)
                .build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, n));
        float[] gate = new float[numExperts * n];
        float[] up = new float[numExperts * n];
        float[] down = new float[numExperts * n];
        for (int e = 0; e < numExperts; e++) {
            gate[e * n + e] = 1;
            up[e * n + numExperts] = 1;
            down[e * n + e] = 1;
        }
        set("router", gate);
        set("up", up);
        set("down", down);
        if (correctionBias.length > 0) {
            set("e_score_correction_bias", floats(correctionBias));
        }
    }

    private void set(String parameter, float[] values) {
        block.getDirectParameters().get(parameter).getArray().set(values);
    }

    RouterProbe prepared(Precision precision) {
        block.prepareForInference(precision);
        return this;
    }

    private NDArray tokens(double[][] logitsTN) {
        float[] x = new float[logitsTN.length * (numExperts + 1)];
        for (int t = 0; t < logitsTN.length; t++) {
            for (int e = 0; e < numExperts; e++) {
                x[t * (numExperts + 1) + e] = (float) logitsTN[t][e];
            }
            x[t * (numExperts + 1) + numExperts] = 1;
        }
        return manager.create(x, new Shape(logitsTN.length, numExperts + 1));
    }

    /** The weights of all experts for one token. */
    float[] weights(double... logitsN) {
        float[] y = block.forward(
                        new ParameterStore(manager, false), new NDList(tokens(new double[][] {logitsN})), false)
                .singletonOrThrow()
                .toFloatArray();
        float[] weights = new float[numExperts];
        System.arraycopy(y, 0, weights, 0, numExperts);
        return weights;
    }

    /** Auxiliary loss and load of a training pass; tokens with mask 0 are padding. */
    Training train(double[][] logitsTN, float... maskT) {
        NDList inputs = new NDList(tokens(logitsTN));
        if (maskT.length > 0) {
            inputs.add(manager.create(maskT));
        }
        NDList outputs = block.forward(new ParameterStore(manager, false), inputs, true);
        return new Training(outputs.get(1).getFloat(), outputs.get(2).toLongArray());
    }

    /** What a training pass returns beside y. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Training(float aux, long[] load) {}

    static float[] floats(double... values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
