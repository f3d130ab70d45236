package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.molae.route.LoadStatistics;
import ai.molae.spec.MoeSpec;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * Counts, while it is open, how the tokens that blocks read on this thread in inference spread over their experts, and how sure their routers are;
 * training tells both by itself. Works with packed weights too, because routers are never packed. Costs a second pass through each router.
 *
 * <pre>{@code
 * try (LoadRecorder recorder = new LoadRecorder()) {
 *     model.forward(parameterStore, inputs, false);
 *     Optional<LoadStatistics> load = recorder.load(moeBlock);
 * }
 * }</pre>
 */
public final class LoadRecorder implements AutoCloseable {

    private static final ThreadLocal<@Nullable LoadRecorder> CURRENT = new ThreadLocal<>();

    private final IdentityHashMap<MoeBlock, LoadStatistics> loads = new IdentityHashMap<>();

    /** Sums over the tokens of the entropy of the router's probabilities, in nats. */
    private final IdentityHashMap<MoeBlock, Double> entropies = new IdentityHashMap<>();

    /**
     * Begins to count.
     *
     * @throws IllegalStateException if a recorder is open on this thread
     */
    public LoadRecorder() {
        if (CURRENT.get() != null) {
            throw new IllegalStateException("a LoadRecorder is open on this thread already; close it first");
        }
        CURRENT.set(this);
    }

    static Optional<LoadRecorder> current() {
        return Optional.ofNullable(CURRENT.get());
    }

    void record(MoeBlock block, MoeOps.Tokens tokens, Map<String, NDArray> parameters) {
        MoeSpec spec = block.spec();
        Account account = new Account(RouterOps.Statistics.AUX, new double[0], Optional.of(told -> {
            // Behind the load stand the tokens and the mean entropy.
            double entropy = told[spec.numExperts()] * told[spec.numExperts() + 1];
            entropies.merge(block, entropy, Double::sum);
        }));
        try (NDList routing = RouterOps.route(spec, tokens, parameters, account)) {
            account.tell(routing);
            long[] counts = routing.get(3).toLongArray();
            int rows = (int) (Arrays.stream(counts).sum() / spec.topK());
            loads.merge(block, LoadStatistics.of(counts, spec.capacity(rows)), LoadStatistics::plus);
        }
    }

    /**
     * The load of a block so far, padding left out.
     *
     * @param block the block
     * @return what its experts got; empty if it has read nothing
     */
    public Optional<LoadStatistics> load(MoeBlock block) {
        return Optional.ofNullable(loads.get(block));
    }

    /**
     * How undecided the router of a block was so far, padding left out.
     *
     * @param block the block
     * @return the mean over the tokens of the entropy of the router's probabilities in nats, from 0 (certain) to ln N (undecided); empty if it has read
     *     nothing
     */
    public OptionalDouble routerEntropy(MoeBlock block) {
        LoadStatistics load = loads.get(block);
        if (load == null || load.total() == 0) {
            return OptionalDouble.empty();
        }
        double tokens = (double) load.total() / block.spec().topK();
        return OptionalDouble.of(entropies.getOrDefault(block, 0.0) / tokens);
    }

    /** Ends counting. The counts stay. */
    @Override
    public void close() {
        if (CURRENT.get() == this) {
            CURRENT.remove();
        }
    }
}
