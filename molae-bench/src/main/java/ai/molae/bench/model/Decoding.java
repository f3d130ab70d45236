package ai.molae.bench.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.KvCache;

/** Calls of a model as generation makes them: token ids go in as Java numbers, logits come out as such, and nothing else is left. */
public final class Decoding {

    private Decoding() {}

    /**
     * Reads tokens behind those in a cache.
     *
     * @param manager parent of what the call needs
     * @param model the model
     * @param tokens {@code [B, S]}, row by row
     * @param cache of B sequences; extended by S positions
     * @return logits {@code [B, V]} of the last position
     */
    public static float[] decode(NDManager manager, CausalLm model, int[] tokens, KvCache cache) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray ids = scope.create(tokens, new Shape(cache.batchSize(), tokens.length / cache.batchSize()));
            return model.decode(new ParameterStore(scope, false), ids, cache).toFloatArray();
        }
    }

    /**
     * Reads tokens without a cache.
     *
     * @param manager parent of what the call needs
     * @param model the model
     * @param tokens {@code [B, S]}, row by row
     * @param batch B
     * @param position whose logits are wanted
     * @return logits {@code [B, V]} of that position
     */
    static float[] forward(NDManager manager, CausalLm model, int[] tokens, int batch, int position) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray ids = scope.create(tokens, new Shape(batch, tokens.length / batch));
            NDArray logits = model.forward(new ParameterStore(scope, false), new NDList(ids), false)
                    .singletonOrThrow();
            return logits.get(new NDIndex(":, {}", position)).toFloatArray();
        }
    }
}
