package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Objects;
import java.util.function.IntPredicate;

/**
 * A MoE model made of a dense one, to be trained further (sparse upcycling: Komatsuzaki et al., arXiv 2212.05055; granular: He et al., arXiv
 * 2410.07524). With experts as wide as the dense network every expert is a copy of it; with narrower ones the dense network is cut into
 * {@code G = dense width / expert width} shards and expert e is shard {@code e mod G}:
 *
 * <pre>
 *   R = N / G copies of the network;    the router's rows are R random ones, each repeated G times, so that a copy is chosen whole
 *   up and down of every expert times √s (gated), or down times s (ungated),   s = G / (K p₀ scale)
 *   p₀ = 1/K if the chosen weights are normalised, else 1/N (softmax) or 1/2 (sigmoid): an expert's weight while the router is undecided
 * </pre>
 *
 * <p>With normalised weights the new model computes exactly what the dense one did, whatever the router says, unless a capacity drops choices; without, about so at first. The
 * factor s is that of Megatron-Core, {@code R G²/K} or G, which spreads it over gate too; SiLU is not linear in its gate, so that is not exact.
 */
public final class Upcycling {

    private Upcycling() {}

    /**
     * Makes a MoE of every dense layer.
     *
     * @param dense a model with float32 parameters; it stays as it is
     * @param moe what its dense layers become, a standard MoE without shared expert
     * @param manager will own the new model; its device is the model's. The engine's seed decides about the routers
     * @param precision the arithmetic of the products
     * @return a new model
     * @throws IllegalArgumentException if the sizes do not fit; the message has the numbers
     * @throws IllegalStateException if the model is prepared for inference or has adapters
     */
    public static CausalLm of(CausalLm dense, MoeSpec moe, NDManager manager, Precision precision) {
        return of(dense, moe, layer -> true, manager, precision);
    }

    /**
     * Makes a MoE of some dense layers.
     *
     * @param dense a model with float32 parameters; it stays as it is
     * @param moe what they become, a standard MoE without shared expert
     * @param layers which layers, by their number from 0; those that are no dense layers stay as they are
     * @param manager will own the new model
     * @param precision the arithmetic of the products
     * @return a new model
     * @throws IllegalArgumentException if the sizes do not fit or no layer is chosen; the message has the numbers
     * @throws IllegalStateException if the model is prepared for inference or has adapters
     */
    public static CausalLm of(
            CausalLm dense, MoeSpec moe, IntPredicate layers, NDManager manager, Precision precision) {
        ModelSpec spec = dense.spec();
        ModelSpec upcycled = spec.mapLayers((i, layer) -> {
            if (!(layer instanceof DenseSpec network) || !layers.test(i)) {
                return layer;
            }
            check(i, network, moe);
            return moe;
        });
        if (upcycled.equals(spec)) {
            throw new IllegalArgumentException("none of the " + spec.numLayers() + " layers is dense and chosen");
        }
        CausalLm model = SharedParameters.copy(dense, upcycled, manager, precision);
        try (NoGrad noGrad = new NoGrad()) {
            for (int i = 0; i < spec.numLayers(); i++) {
                if (!upcycled.feedForwards().get(i).equals(spec.feedForwards().get(i))) {
                    fill(i, (DenseSpec) spec.feedForwards().get(i), moe, dense, model);
                }
            }
        }
        return model;
    }

    private static void check(int index, DenseSpec dense, MoeSpec moe) {
        String layer = "layer " + index + " (hidden size " + dense.hiddenSize() + ", width " + dense.intermediateSize()
                + ", " + dense.activation() + (dense.gated() ? ", gated" : "") + ") cannot become " + moe.numExperts()
                + " experts (hidden size " + moe.hiddenSize() + ", width " + moe.intermediateSize() + ", "
                + moe.activation() + (moe.gated() ? ", gated" : "") + ", top " + moe.topK() + "): ";
        if (moe.latent().isPresent() || moe.sharedExpert().isPresent()) {
            throw new IllegalArgumentException(
                    layer + "there is nothing to make factors or a shared expert of; upcycle to a standard MoE first");
        }
        if (dense.hiddenSize() != moe.hiddenSize()
                || dense.gated() != moe.gated()
                || dense.activation() != moe.activation()) {
            throw new IllegalArgumentException(layer + "hidden size, activation and gate must be the same");
        }
        int shards = dense.intermediateSize() / moe.intermediateSize();
        if (dense.intermediateSize() % moe.intermediateSize() != 0
                || moe.numExperts() % shards != 0
                || moe.topK() % shards != 0
                || moe.numExperts() / moe.router().nGroup() % shards != 0) {
            throw new IllegalArgumentException(layer
                    + "the experts' width must divide the network's, and the number of shards that gives must"
                    + " divide the number of experts, those of a router group ("
                    + moe.numExperts() / moe.router().nGroup() + ") and top k, so that whole networks are chosen");
        }
    }

    private static double scale(MoeSpec moe, int shards) {
        RouterSpec router = moe.router();
        double undecided;
        if (router.normTopkProb() || router.scoreFunction() == ScoreFunction.SOFTMAX_OVER_CHOSEN) {
            undecided = 1.0 / moe.topK();
        } else {
            undecided = router.scoreFunction() == ScoreFunction.SIGMOID ? 0.5 : 1.0 / moe.numExperts();
        }
        return shards / (moe.topK() * undecided * router.routedScalingFactor());
    }

    private static void fill(int index, DenseSpec dense, MoeSpec moe, CausalLm from, CausalLm to) {
        String path = "layers." + index + ".mlp.";
        int width = moe.intermediateSize();
        int shards = dense.intermediateSize() / width;
        double scale = scale(moe, shards);
        double upScale = moe.gated() ? Math.sqrt(scale) : 1;
        String upName = path + (moe.gated() ? "gate_up" : "up");
        NDArray up = array(from, upName);
        NDArray down = array(from, path + "down");
        NDArray router = array(to, path + "router");
        long matrix = (long) width * moe.hiddenSize();
        int matrices = moe.gated() ? 2 : 1;
        // From the last expert on, so that a row of the router is read before it is written over.
        for (int expert = moe.numExperts() - 1; expert >= 0; expert--) {
            long shard = (long) (expert % shards) * width;
            long place = matrix * expert * matrices;
            if (moe.gated()) {
                put(up, "{}:{}", shard, width, 1, array(to, upName), place);
            }
            long firstUp = shard + (moe.gated() ? dense.intermediateSize() : 0);
            put(up, "{}:{}", firstUp, width, upScale, array(to, upName), place + (matrices - 1) * matrix);
            put(down, ":, {}:{}", shard, width, scale / upScale, array(to, path + "down"), expert * matrix);
            put(router, "{}:{}", expert / shards, 1, 1, router, (long) expert * moe.hiddenSize());
        }
    }

    private static NDArray array(CausalLm model, String path) {
        return Objects.requireNonNull(model.parametersByPath().get(path), path).getArray();
    }

    /** Copies a part of an array, times a factor, to consecutive elements of another. */
    private static void put(
            NDArray from, String index, long first, int count, double factor, NDArray target, long place) {
        try (NDManager scope = from.getManager().newSubManager()) {
            NDArray part = from.get(new NDIndex(index, first, first + count));
            part.attach(scope);
            WeightSource.assign(part.mul(scope.full(new Shape(), (float) factor)), target, place);
        }
    }
}
