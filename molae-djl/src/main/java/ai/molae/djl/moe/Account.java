package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What a pass has to tell of its routing, and what it has to know for it.
 *
 * @param statistics what it returns besides y
 * @param before choices of every expert {@code [N]} in the passes of this optimizer step before, and behind them their tokens; empty for none
 * @param listener told of the pass, see {@code router.py}; absent if nobody listens
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Account(RouterOps.Statistics statistics, double[] before, Optional<Consumer<double[]>> listener) {

    static final Account NOTHING = of(RouterOps.Statistics.NONE);

    static Account of(RouterOps.Statistics statistics) {
        return new Account(statistics, new double[0], Optional.empty());
    }

    /** The same for a pass that computes again what was told already. */
    Account again() {
        return new Account(statistics, before, Optional.empty());
    }

    /** Takes out of a routing what the layer returns, tells the listener, and closes the rest. */
    NDList settle(NDList routing) {
        tell(routing);
        NDList kept = statistics.of(routing);
        NDList rest = routing.subNDList(2 + kept.size());
        rest.close();
        return kept;
    }

    /** Tells the listener of a routing. */
    void tell(NDList routing) {
        listener.ifPresent(l -> {
            NDArray told = routing.get(5);
            if (!told.isEmpty()) {
                l.accept(told.toDoubleArray());
            }
        });
    }
}
