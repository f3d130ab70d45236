package ai.molae.djl.lm;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.floats;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchOps;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.QkNorm;
import java.util.Map;
import java.util.function.Function;

/**
 * The operations of a language model as functions of arrays; the blocks of this package hold the parameters and call them. Autograd flows
 * through whenever it is on. Results are owned by the manager of the first argument.
 */
final class LmOps {

    /** Labels of this value do not count, as everywhere in PyTorch. */
    static final int IGNORED_LABEL = -100;

    private static final TorchOps OPS = new TorchOps(LmOps.class, "lm.py");

    private LmOps() {}

    /**
     * Looks tokens up.
     *
     * @param tokens {@code [B, S]} int64 or int32, all in [0, V)
     * @param weight {@code [V, n]}
     * @return {@code [B, S, n]}
     */
    static NDArray embed(NDArray tokens, NDArray weight) {
        return OPS.call("embed", tokens, weight).singletonOrThrow();
    }

    /**
     * {@code x Wᵀ}.
     *
     * @param x {@code [..., n]}
     * @param weight {@code [V, n]}
     * @param precision the arithmetic of the product
     * @return {@code [..., V]} float32
     */
    static NDArray project(NDArray x, NDArray weight, Precision precision) {
        try (NDArray ints = ints(Gemm.training(precision, x.getDevice()))) {
            return OPS.call("project", x, weight, ints).singletonOrThrow();
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
     * Causal attention over the sequence or, with a cache, over what the cache holds and the sequence behind it.
     *
     * @param spec the attention
     * @param x {@code [B, S, n]}
     * @param parameters the layer's parameters by name
     * @param cache this layer's cache, extended in place, or {@link KvCache.Layer#NONE}
     * @param eps ε of the query/key norm
     * @param precision the arithmetic of the products
     * @return {@code [B, S, n]} float32
     */
    static NDArray attention(
            GroupedQueryAttentionSpec spec,
            NDArray x,
            Map<String, NDArray> parameters,
            KvCache.Layer cache,
            double eps,
            Precision precision) {
        Function<String, NDArray> parameter = name -> parameters.getOrDefault(name, absent());
        try (NDArray ints = ints(
                        spec.headDim(),
                        normCode(spec.qkNorm()),
                        Gemm.training(precision, x.getDevice()),
                        cache.length());
                NDArray floats = floats(spec.rope().theta(), eps)) {
            return OPS.call(
                            "attention",
                            x,
                            parameter.apply("q_proj"),
                            parameter.apply("k_proj"),
                            parameter.apply("v_proj"),
                            parameter.apply("o_proj"),
                            parameter.apply("q_proj_bias"),
                            parameter.apply("k_proj_bias"),
                            parameter.apply("v_proj_bias"),
                            parameter.apply("q_norm"),
                            parameter.apply("k_norm"),
                            cache.keys().orElse(absent()),
                            cache.values().orElse(absent()),
                            ints,
                            floats)
                    .singletonOrThrow();
        }
    }

    /**
     * A dense feed-forward network.
     *
     * @param spec the network
     * @param x {@code [..., n]}
     * @param up {@code [2m, n]} (gate above up) if gated, else {@code [m, n]}
     * @param down {@code [n, m]}
     * @param precision the arithmetic of the products
     * @return {@code [..., n]} float32
     */
    static NDArray feedForward(DenseSpec spec, NDArray x, NDArray up, NDArray down, Precision precision) {
        try (NDArray ints =
                ints(code(spec.activation()), Gemm.training(precision, x.getDevice()), code(spec.gated()))) {
            return OPS.call("dense", x, up, down, ints).singletonOrThrow();
        }
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

    private static long normCode(QkNorm norm) {
        return switch (norm) {
            case NONE -> 0;
            case PER_HEAD -> 1;
            case FULL -> 2;
        };
    }
}
