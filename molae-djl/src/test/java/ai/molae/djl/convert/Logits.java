package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** What checkpoints compute. */
final class Logits {

    private Logits() {}

    static float[] of(Path folder, int[][] tokens) throws IOException {
        try (NDManager manager = NDManager.newBaseManager();
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            return of(checkpoint.load(manager, Precision.FLOAT32), tokens);
        }
    }

    static float[] of(CausalLm model, int[][] tokens) {
        try (NDManager manager = NDManager.newBaseManager()) {
            long[] flat = Arrays.stream(tokens)
                    .flatMapToInt(Arrays::stream)
                    .mapToLong(i -> i)
                    .toArray();
            NDArray ids = manager.create(flat, new Shape(tokens.length, tokens[0].length));
            return model.forward(new ParameterStore(manager, false), new NDList(ids), false)
                    .head()
                    .toFloatArray();
        }
    }

    static double largestDifference(float[] a, float[] b) {
        if (a.length != b.length) {
            throw new AssertionError(a.length + " and " + b.length + " logits");
        }
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs((double) a[i] - b[i]));
            if (Float.isNaN(a[i]) != Float.isNaN(b[i])) {
                return Double.NaN;
            }
        }
        return largest;
    }
}
