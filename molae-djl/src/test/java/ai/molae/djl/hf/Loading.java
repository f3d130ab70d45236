package ai.molae.djl.hf;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;

/** Loads checkpoints and asks them for the logits of a few tokens. */
final class Loading {

    private static final long[] TOKENS = {3, 1, 4, 1, 5, 9, 2, 6, 53, 58, 97, 93};

    private Loading() {}

    static CausalLm load(NDManager manager, Path folder) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return checkpoint.load(manager, Precision.FLOAT32);
        }
    }

    static CausalLm loadForInference(NDManager manager, Path folder, Precision precision) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return checkpoint.loadForInference(manager, precision);
        }
    }

    /** Of two sequences of six tokens, below the smallest golden vocabulary or as large as it. */
    static float[] logits(CausalLm model) {
        try (NDManager scope = NDManager.newBaseManager()) {
            long[] tokens = TOKENS.clone();
            for (int i = 0; i < tokens.length; i++) {
                tokens[i] %= model.spec().vocabSize();
            }
            NDArray array = scope.create(tokens, new Shape(2, tokens.length / 2));
            return model.forward(new ParameterStore(scope, false), new NDList(array), false)
                    .singletonOrThrow()
                    .toFloatArray();
        }
    }

    static float[] logits(Path folder) throws IOException {
        try (NDManager manager = NDManager.newBaseManager()) {
            return logits(load(manager, folder));
        }
    }

    /** The length of the difference of two vectors, in units of the length of the second. */
    static double distance(float[] x, float[] y) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < y.length; i++) {
            difference += ((double) x[i] - y[i]) * ((double) x[i] - y[i]);
            norm += (double) y[i] * y[i];
        }
        return Math.sqrt(difference / norm);
    }
}
