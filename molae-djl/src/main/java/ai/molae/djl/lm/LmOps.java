package ai.molae.djl.lm;

import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.floats;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.TorchOps;
import ai.molae.spec.DenseSpec;
import java.util.List;

/**
 * The operations of a language model as functions of arrays; the blocks of this package hold the parameters and call them. Autograd flows
 * through whenever it is on. Results are owned by the manager of the first argument.
 */
final class LmOps {

    /** Labels of this value do not count, as everywhere in PyTorch. */
    static final int IGNORED_LABEL = -100;

    static final TorchOps OPS = new TorchOps(LmOps.class, "attention.py", "lm.py");

    private static final List<String> NO_ADAPTERS = List.of();

    private LmOps() {}

    /**
     * Looks tokens up.
     *
     * @param tokens {@code [B, S]} int64 or int32, all in [0, V)
     * @param w {@code embed_tokens [V, n]}
     * @return {@code [B, S, n]} float32
     */
    static NDArray embed(NDArray tokens, Weights w) {
        try (NDArray ints = ints(w.gemm())) {
            return w.call("embed", NO_ADAPTERS, tokens, w.get("embed_tokens"), ints)
                    .singletonOrThrow();
        }
    }

    /**
     * {@code x Wᵀ}.
     *
     * @param x {@code [..., n]}
     * @param w has {@code W [V, n]}
     * @param name its name
     * @return {@code [..., V]} float32
     */
    static NDArray project(NDArray x, Weights w, String name) {
        try (NDArray ints = ints(w.gemm())) {
            return w.call("project", NO_ADAPTERS, x, w.get(name), ints).singletonOrThrow();
        }
    }

    /**
     * {@code x / √(mean(x²) + ε) ⊙ weight} over the last dimension.
     *
     * @param x {@code [..., n]}
     * @param weight {@code [n]}
     * @param eps ε
     * @return {@code [..., n]} float32
     */
    static NDArray rmsNorm(NDArray x, NDArray weight, double eps) {
        try (NDArray floats = floats(eps)) {
            return OPS.call("norm", x, weight, floats).singletonOrThrow();
        }
    }

    /**
     * Zeroes elements at random, with the engine's generator, and divides the others by 1 - p.
     *
     * @param x any shape
     * @param p the probability
     * @return the shape of x
     */
    static NDArray dropout(NDArray x, double p) {
        try (NDArray floats = floats(p)) {
            return OPS.call("drop", x, floats).singletonOrThrow();
        }
    }

    /**
     * A dense feed-forward network.
     *
     * @param spec the network
     * @param x {@code [..., n]}
     * @param w {@code gate_up [2m, n]} if gated, else {@code up [m, n]}; {@code down [n, m]}
     * @return {@code [..., n]} float32
     */
    static NDArray feedForward(DenseSpec spec, NDArray x, Weights w) {
        List<String> matrices = feedForwardMatrices(spec);
        try (NDArray ints = ints(code(spec.activation()), w.gemm(matrices), code(spec.gated()))) {
            return w.call("dense", matrices, x, w.get(matrices.get(0)), w.get("down"), ints)
                    .singletonOrThrow();
        }
    }

    static List<String> feedForwardMatrices(DenseSpec spec) {
        return List.of(spec.gated() ? "gate_up" : "up", "down");
    }

    /**
     * Mean cross-entropy over the labels that are not ignored; zero if all are.
     *
     * @param logits {@code [..., V]}
     * @param labels {@code [...]} int64
     * @return {@code []} float32
     */
    static NDArray crossEntropy(NDArray logits, NDArray labels) {
        return OPS.call("cross_entropy", logits, labels).singletonOrThrow();
    }

    /**
     * What {@link DistillationLoss} documents.
     *
     * @param logits {@code [..., V]}
     * @param teacher the same shape; overwritten
     * @param labels {@code [...]} int64
     * @param temperature T
     * @param share of the divergence in the loss
     * @return the loss, without a graph, and a scalar with its gradient, both {@code []} float32
     */
    static NDList distillation(NDArray logits, NDArray teacher, NDArray labels, double temperature, double share) {
        try (NDArray floats = floats(temperature, share)) {
            return OPS.call("distillation", logits, teacher, labels, floats);
        }
    }

    /**
     * Refuses labels that are neither a token id nor ignored. Waits for a GPU.
     *
     * @param logits {@code [..., V]}
     * @param labels {@code [...]} int64
     * @throws IllegalArgumentException with the first such label and its position
     */
    static void checkLabels(NDArray logits, NDArray labels) {
        try (NDArray bad = OPS.call("bad_labels", logits, labels).singletonOrThrow()) {
            if (bad.getLong() > 0) {
                Shape shape = logits.getShape();
                throw outOfRange("label", labels, shape.get(shape.dimension() - 1), IGNORED_LABEL);
            }
        }
    }

    /**
     * Refuses token ids outside [0, V): libtorch would read foreign memory or stop the GPU. Waits for a GPU.
     *
     * @param tokens {@code [B, S]} int64 or int32, at least one
     * @param vocabSize V
     * @throws IllegalArgumentException with the first such id and its position
     */
    static void checkTokens(NDArray tokens, int vocabSize) {
        try (NDArray range = OPS.call("token_range", tokens).singletonOrThrow()) {
            long[] limits = range.toLongArray();
            if (limits[0] < 0 || limits[1] >= vocabSize) {
                throw outOfRange("token id", tokens, vocabSize, 0);
            }
        }
    }

    private static IllegalArgumentException outOfRange(String what, NDArray ids, long vocabSize, long allowed) {
        long[] flat = longs(ids);
        int at = 0;
        while (at < flat.length - 1 && (flat[at] == allowed || (flat[at] >= 0 && flat[at] < vocabSize))) {
            at++;
        }
        long columns = ids.getShape().get(ids.getShape().dimension() - 1);
        return new IllegalArgumentException(what + " " + flat[at] + " of sequence " + at / columns + ", position "
                + at % columns + ", is not in [0, vocabSize = " + vocabSize + ")"
                + (allowed < 0 ? "; " + allowed + " marks labels to leave out" : ""));
    }

    private static long[] longs(NDArray ids) {
        if (ids.getDataType() == DataType.INT64) {
            return ids.toLongArray();
        }
        int[] ints = ids.toIntArray();
        long[] longs = new long[ints.length];
        for (int i = 0; i < ints.length; i++) {
            longs[i] = ints[i];
        }
        return longs;
    }
}
