package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.MoeSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Gathers what the MoE layers of a model say in a training pass: auxiliary losses, added up or pooled, and loads. */
final class LayerStatistics {

    /** Layers whose loads are balanced together; those of other widths or coefficients are by themselves. */
    private record Pool(int numExperts, double coefficient) {}

    /** What a pool's layers returned. */
    private record Pooled(NDList probabilities, NDList loads) {}

    private final NDList losses = new NDList();
    private final NDList loads = new NDList();
    private final Map<Pool, Pooled> pools = new LinkedHashMap<>();

    /** How many arrays such a layer returns behind h. */
    private static int count(FeedForwardSpec spec) {
        if (!(spec instanceof MoeSpec moe)) {
            return 0;
        }
        return moe.router().auxLossScope() == AuxLossScope.MODEL ? 3 : 2;
    }

    /** Takes what layers returned behind h, one layer's after the other's. */
    void add(List<FeedForwardSpec> specs, NDList statistics) {
        int at = 0;
        for (FeedForwardSpec spec : specs) {
            int next = at + count(spec);
            if (next > at) {
                add((MoeSpec) spec, new NDList(statistics.subList(at, next)));
            }
            at = next;
        }
    }

    private void add(MoeSpec moe, NDList statistics) {
        losses.add(statistics.get(0));
        loads.add(statistics.get(1));
        if (moe.router().auxLossScope() == AuxLossScope.MODEL) {
            Pool pool = new Pool(moe.numExperts(), moe.router().auxLossCoef());
            Pooled pooled = pools.computeIfAbsent(pool, p -> new Pooled(new NDList(), new NDList()));
            pooled.probabilities().add(statistics.get(2));
            // A handle of its own, because it is given a name.
            pooled.loads().add(statistics.get(1).reshape(moe.numExperts()));
        }
    }

    /**
     * What the model returns behind the logits.
     *
     * @param tokens {@code [B, S]}, whose manager will own the sums
     * @param mask {@code [B, S]} or absent
     * @return aux {@code []} and the load of each MoE layer
     */
    NDList outputs(NDArray tokens, NDArray mask) {
        if (!pools.isEmpty()) {
            try (NDArray rows = rows(tokens, mask)) {
                pools.forEach((pool, pooled) -> losses.add(
                        MoeBlock.pooledBalance(pooled.probabilities(), pooled.loads(), rows, pool.coefficient())));
            }
        }
        pools.values().forEach(pooled -> {
            pooled.probabilities().close();
            pooled.loads().close();
        });
        NDList outputs = new NDList(losses.stream().reduce(LayerStatistics::sum).orElseGet(() -> tokens.getManager()
                .zeros(new Shape(), DataType.FLOAT32, tokens.getDevice())));
        outputs.addAll(loads);
        return outputs;
    }

    private static NDArray sum(NDArray total, NDArray term) {
        try (total;
                term) {
            return total.add(term);
        }
    }

    /** How many tokens count. */
    private static NDArray rows(NDArray tokens, NDArray mask) {
        if (mask.isEmpty()) {
            return tokens.getManager().full(new Shape(), (float) tokens.size());
        }
        try (NDArray there = mask.neq(0);
                NDArray ones = there.toType(DataType.FLOAT32, false)) {
            return ones.sum();
        }
    }
}
