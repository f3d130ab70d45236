package ai.molae.djl.moe;

import ai.djl.nn.Block;
import ai.djl.util.Pair;
import ai.molae.djl.torch.GradientTape;
import ai.molae.route.LoadStatistics;
import ai.molae.spec.AuxLossScope;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Watches, while it is open, what the routers of the MoE layers do in the training passes of this thread: opened around all forward and backward
 * passes of one optimizer step, it counts over the passes of gradient accumulation.
 *
 * <pre>{@code
 * try (RouterMonitor monitor = new RouterMonitor()) {
 *     for (NDList batch : passes) {
 *         ...                                       // model.forward(parameterStore, batch, true), loss, backward
 *     }
 *     List<LayerRouting> routing = monitor.layers(model.layers());
 *     CorrectionBias.update(model.layers(), monitor, 0.001);
 * }
 * }</pre>
 *
 * <p>It is also what {@link AuxLossScope#GLOBAL} knows the passes before by; without a monitor that loss is that of {@link AuxLossScope#LAYER}.
 * A pass that is computed again for the backward pass counts once. Blocks without auxiliary output are watched too, inference is not ({@link
 * LoadRecorder} counts it). Costs the entropy of the probabilities and N + 4 numbers per layer and pass, which are read back at
 * once: a GPU is waited for.
 */
public final class RouterMonitor implements AutoCloseable {

    private static final ThreadLocal<@Nullable RouterMonitor> CURRENT = new ThreadLocal<>();

    private final IdentityHashMap<MoeBlock, Tally> tallies = new IdentityHashMap<>();

    private volatile boolean closed;

    /**
     * Begins to watch.
     *
     * @throws IllegalStateException if a monitor is open on this thread
     */
    public RouterMonitor() {
        if (current() != null) {
            throw new IllegalStateException("a RouterMonitor is open on this thread already; close it first");
        }
        CURRENT.set(this);
    }

    /** A monitor may have been closed on another thread, which cannot take it away from this one. */
    private static @Nullable RouterMonitor current() {
        RouterMonitor monitor = CURRENT.get();
        return monitor == null || monitor.closed ? null : monitor;
    }

    /** What a training pass of a block has to tell. */
    static Account account(MoeBlock block, RouterOps.Statistics statistics) {
        RouterMonitor monitor = current();
        if (monitor == null) {
            return Account.of(statistics);
        }
        Tally tally = monitor.tallies.computeIfAbsent(block, Tally::new);
        boolean again = GradientTape.isRecomputing();
        double[] before = again ? tally.beforeLastPass : tally.choicesAndTokens.clone();
        boolean global = block.spec().router().auxLossScope() == AuxLossScope.GLOBAL;
        return new Account(
                statistics,
                global ? before : new double[0],
                again ? Optional.empty() : Optional.of(told -> tally.add(told, before)));
    }

    /**
     * What the MoE layers did so far. Losses and entropy are means over the tokens; the balance loss is that of each pass, weighed by its
     * tokens, and for {@link AuxLossScope#MODEL} that of the layer by itself.
     *
     * @param layers the layers of a model, such as {@code CausalLm.layers()}, or the children of a chain of blocks; any of them may be a
     *     {@link MoeBlock} or hold some
     * @return one element per MoE layer that was trained, with the index of its place in the list
     */
    public List<LayerRouting> layers(List<? extends Block> layers) {
        List<LayerRouting> routing = new ArrayList<>();
        for (int i = 0; i < layers.size(); i++) {
            for (MoeBlock block : blocks(layers.get(i))) {
                Tally tally = tallies.get(block);
                if (tally != null) {
                    routing.add(tally.routing(i));
                }
            }
        }
        return List.copyOf(routing);
    }

    /** The choices of every expert so far; empty if the block was not trained. */
    Optional<long[]> load(MoeBlock block) {
        return Optional.ofNullable(tallies.get(block))
                .map(tally -> tally.longs(tally.choicesAndTokens))
                .filter(load -> Arrays.stream(load).sum() > 0);
    }

    /** A model as a list of layers: its children, or itself. */
    static List<Block> layersOf(Block model) {
        return model instanceof MoeBlock ? List.of(model) : model.getChildren().values();
    }

    /** The block itself or those it holds. */
    static List<MoeBlock> blocks(Block block) {
        if (block instanceof MoeBlock moe) {
            return List.of(moe);
        }
        List<MoeBlock> blocks = new ArrayList<>();
        for (Pair<String, Block> child : block.getChildren()) {
            blocks.addAll(blocks(child.getValue()));
        }
        return blocks;
    }

    /** Ends watching. What was counted stays. */
    @Override
    public void close() {
        closed = true;
        if (CURRENT.get() == this) {
            CURRENT.remove();
        }
    }

    /** The sums over the passes of a layer. */
    private static final class Tally {
        private final MoeBlock block;
        private final int numExperts;
        /** {@code [N + 1]}. */
        private double[] choicesAndTokens;

        private double[] beforeLastPass;
        private long dropped;
        private double entropy;
        private double balanceLoss;
        private double zLoss;

        Tally(MoeBlock block) {
            this.block = block;
            numExperts = block.spec().numExperts();
            choicesAndTokens = new double[numExperts + 1];
            beforeLastPass = choicesAndTokens;
        }

        /** Adds what {@code router.py} tells of a pass. */
        void add(double[] told, double[] before) {
            beforeLastPass = before;
            double tokens = told[numExperts];
            long[] load = longs(told);
            dropped +=
                    LoadStatistics.of(load, block.spec().capacity((int) tokens)).dropped();
            choicesAndTokens = choicesAndTokens.clone();
            for (int i = 0; i <= numExperts; i++) {
                choicesAndTokens[i] += told[i];
            }
            entropy += tokens * told[numExperts + 1];
            balanceLoss += tokens * told[numExperts + 2];
            zLoss += tokens * told[numExperts + 3];
        }

        LayerRouting routing(int layer) {
            double tokens = Math.max(1, choicesAndTokens[numExperts]);
            return new LayerRouting(
                    layer,
                    new LoadStatistics(longs(choicesAndTokens), dropped),
                    entropy / tokens,
                    balanceLoss / tokens,
                    zLoss / tokens);
        }

        private long[] longs(double[] counts) {
            return Arrays.stream(counts, 0, numExperts).mapToLong(Math::round).toArray();
        }
    }
}
