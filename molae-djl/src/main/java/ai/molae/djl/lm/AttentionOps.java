package ai.molae.djl.lm;

import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.floats;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.QkNorm;
import java.util.List;

/** The attentions as functions of arrays. Autograd flows through whenever it is on. Results are owned by the manager of {@code x}. */
final class AttentionOps {

    static final List<String> GROUPED = List.of("q_proj", "k_proj", "v_proj", "o_proj");

    /** TorchScript's number of the element type. */
    private static final long FLOAT32 = 6;

    private AttentionOps() {}

    /**
     * Grouped-query attention.
     *
     * @param spec the attention
     * @param window how many positions a token sees
     * @param eps ε of the query/key norm
     * @param w its weights
     * @param x {@code [B, S, n]}
     * @param positions where the tokens stand
     * @param cache this layer's cache, extended in place, or {@link KvCache.Layer#NONE}
     * @return {@code [B, S, n]} float32
     */
    static NDArray grouped(
            GroupedQueryAttentionSpec spec,
            int window,
            double eps,
            Weights w,
            NDArray x,
            Positions positions,
            KvCache.Layer cache) {
        long gemm = w.gemm(GROUPED);
        NDArray mask = positions.mask(window, maskType(gemm, cache));
        double clip = Double.isFinite(spec.clipQkv()) ? spec.clipQkv() : 0;
        try (NDArray ints = ints(
                        spec.headDim(),
                        normCode(spec.qkNorm()),
                        gemm,
                        positions.start(),
                        window,
                        code(spec.rope().interleaved()));
                NDArray floats = floats(eps, clip)) {
            return w.call(
                            "grouped_attention",
                            GROUPED,
                            x,
                            w.get("q_proj"),
                            w.get("k_proj"),
                            w.get("v_proj"),
                            w.get("o_proj"),
                            w.get("q_proj_bias"),
                            w.get("k_proj_bias"),
                            w.get("v_proj_bias"),
                            w.get("o_proj_bias"),
                            w.get("q_norm"),
                            w.get("k_norm"),
                            positions.cos(),
                            positions.sin(),
                            mask,
                            cache.keys(),
                            cache.values(),
                            ints,
                            floats)
                    .singletonOrThrow();
        }
    }

    /**
     * Multi-head latent attention.
     *
     * @param spec the attention
     * @param w its weights
     * @param x {@code [B, S, n]}
     * @param positions where the tokens stand
     * @param cache this layer's cache, extended in place, or {@link KvCache.Layer#NONE}
     * @return {@code [B, S, n]} float32
     */
    static NDArray latent(LatentAttentionSpec spec, Weights w, NDArray x, Positions positions, KvCache.Layer cache) {
        List<String> matrices = latentMatrices(spec);
        long gemm = w.gemm(matrices);
        NDArray mask = positions.mask(Positions.EVERYWHERE, maskType(gemm, cache));
        try (NDArray ints = ints(
                        spec.numAttentionHeads(),
                        spec.qLoraRank(),
                        spec.kvLoraRank(),
                        spec.qkNopeHeadDim(),
                        spec.qkRopeHeadDim(),
                        spec.vHeadDim(),
                        gemm,
                        positions.start(),
                        code(spec.rope().interleaved()));
                NDArray floats = floats(spec.normEps(), spec.softmaxScale())) {
            return w.call(
                            "latent_attention",
                            matrices,
                            x,
                            spec.qLoraRank() == 0 ? w.get("q_proj") : w.get("q_a_proj"),
                            w.get("q_b_proj"),
                            w.get("kv_a_proj_with_mqa"),
                            w.get("kv_b_proj"),
                            w.get("o_proj"),
                            w.get("q_a_proj_bias"),
                            w.get("kv_a_proj_with_mqa_bias"),
                            w.get("o_proj_bias"),
                            w.get("q_a_layernorm"),
                            w.get("kv_a_layernorm"),
                            positions.cos(),
                            positions.sin(),
                            mask,
                            cache.keys(),
                            ints,
                            floats)
                    .singletonOrThrow();
        }
    }

    /** Queries are float32, like the cache, where there is one. */
    private static long maskType(long gemm, KvCache.Layer cache) {
        return cache.keys().isEmpty() ? gemm & 15 : FLOAT32;
    }

    /** In the order in which {@code attend_latent} has them. */
    static List<String> latentMatrices(LatentAttentionSpec spec) {
        return spec.qLoraRank() == 0
                ? List.of("q_proj", "kv_a_proj_with_mqa", "o_proj", "kv_b_proj")
                : List.of("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "o_proj", "kv_b_proj");
    }

    private static long normCode(QkNorm norm) {
        return switch (norm) {
            case NONE -> 0;
            case PER_HEAD -> 1;
            case FULL -> 2;
        };
    }
}
