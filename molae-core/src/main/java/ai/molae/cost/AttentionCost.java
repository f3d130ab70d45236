package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.QkNorm;
import java.util.ArrayList;
import java.util.List;

/**
 * The cost of one layer's attention. Columns are per token.
 *
 * @param matrixParameters weights of its projections
 * @param vectorParameters biases and weights of its inner norms
 * @param scoreWidth heads × width of a query, the products per attended position in {@code q·k}
 * @param valueWidth heads × width of a value, the products per attended position in {@code p·v}
 * @param cacheElements numbers the key/value cache holds per token
 * @param kept names, shapes and columns of what backward needs
 * @param heads query heads
 */
record AttentionCost(
        long matrixParameters,
        long vectorParameters,
        long scoreWidth,
        long valueWidth,
        long cacheElements,
        List<Kept> kept,
        int heads) {

    /** A tensor {@code [T, columns]} that backward needs. */
    record Kept(String name, String dimensions, long columns) {}

    static AttentionCost of(AttentionSpec spec, int hiddenSize) {
        if (spec instanceof GroupedQueryAttentionSpec grouped) {
            return grouped(grouped, hiddenSize);
        }
        if (spec instanceof LatentAttentionSpec latent) {
            return latent(latent, hiddenSize);
        }
        throw new IllegalArgumentException(
                "no cost model for " + spec.getClass().getName());
    }

    private static AttentionCost grouped(GroupedQueryAttentionSpec spec, long n) {
        long query = Checks.product(spec.numAttentionHeads(), spec.headDim());
        long keyValue = Checks.product(spec.numKeyValueHeads(), spec.headDim());
        long bias = (spec.qkvBias() ? query + 2 * keyValue : 0) + (spec.outputBias() ? n : 0);
        long norm =
                switch (spec.qkNorm()) {
                    case NONE -> 0;
                    case PER_HEAD -> 2L * spec.headDim();
                    case FULL -> query + keyValue;
                };
        List<Kept> kept = new ArrayList<>();
        if (spec.qkNorm() != QkNorm.NONE) {
            kept.add(new Kept("q_before_norm", "[T, heads·d]", query));
            kept.add(new Kept("k_before_norm", "[T, kv_heads·d]", keyValue));
        }
        kept.add(new Kept("q", "[T, heads·d]", query));
        kept.add(new Kept("k", "[T, kv_heads·d]", keyValue));
        kept.add(new Kept("v", "[T, kv_heads·d]", keyValue));
        kept.add(new Kept("output", "[T, heads·d]", query));
        return new AttentionCost(
                Checks.product(n, Math.addExact(2 * query, 2 * keyValue)),
                bias + norm,
                query,
                query,
                2 * keyValue,
                List.copyOf(kept),
                spec.numAttentionHeads());
    }

    private static AttentionCost latent(LatentAttentionSpec spec, long n) {
        long heads = spec.numAttentionHeads();
        long qRank = spec.qLoraRank();
        long kvRank = spec.kvLoraRank();
        long query = heads * (spec.qkNopeHeadDim() + spec.qkRopeHeadDim());
        long value = heads * spec.vHeadDim();
        long queryWeights = qRank == 0 ? n * query : n * qRank + qRank * query;
        long keyValueWeights = n * (kvRank + spec.qkRopeHeadDim()) + kvRank * (heads * spec.qkNopeHeadDim() + value);
        long bias = spec.bias() ? qRank + kvRank + spec.qkRopeHeadDim() + n : 0;
        List<Kept> kept = new ArrayList<>();
        if (qRank > 0) {
            kept.add(new Kept("q_a", "[T, q_rank]", qRank));
            kept.add(new Kept("q_a_normed", "[T, q_rank]", qRank));
        }
        kept.add(new Kept("kv_a", "[T, kv_rank]", kvRank));
        kept.add(new Kept("kv_a_normed", "[T, kv_rank]", kvRank));
        kept.add(new Kept("q", "[T, heads·d_qk]", query));
        kept.add(new Kept("k", "[T, heads·d_qk]", query));
        kept.add(new Kept("v", "[T, heads·d_v]", value));
        kept.add(new Kept("output", "[T, heads·d_v]", value));
        return new AttentionCost(
                queryWeights + keyValueWeights + value * n,
                qRank + kvRank + bias,
                query,
                value,
                kvRank + spec.qkRopeHeadDim(),
                List.copyOf(kept),
                spec.numAttentionHeads());
    }

    long parameters() {
        return matrixParameters + vectorParameters;
    }

    double forwardFlops(double context) {
        return 2.0 * matrixParameters + 2 * context * (scoreWidth + valueWidth);
    }

    List<ActivationTensor> activations(long tokens, ElementType type) {
        List<ActivationTensor> list = new ArrayList<>();
        for (Kept tensor : kept) {
            list.add(new ActivationTensor(tensor.name(), tensor.dimensions(), (double) tokens, tensor.columns(), type));
        }
        list.add(new ActivationTensor("log_sum_exp", "[T, heads]", (double) tokens, heads, ElementType.FLOAT32));
        return list;
    }
}
