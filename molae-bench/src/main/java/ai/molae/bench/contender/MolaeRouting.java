package ai.molae.bench.contender;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.TokenRouting;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Optional;

/**
 * What molae does with tokens besides multiplying them by experts. The layer in here has the case's router and experts of width 1: their products are
 * vectors, and what is left is scoring, choosing, sorting, gathering and adding up.
 */
public final class MolaeRouting implements AutoCloseable {

    private final NDManager manager = NDManager.newBaseManager();
    private final int numExperts;
    private final MoeBlock router;
    private final MoeBlock narrow;
    private final NDArray[] inputs;
    private final NDArray[] rows = new NDArray[Contender.INPUTS];

    /**
     * Builds the layers.
     *
     * @param layer a standard layer, or one whose tokens are dispatched by a single latent: gate and up tied, one group
     * @param precision of the rows that are gathered
     * @throws IllegalArgumentException if the layer is another
     */
    public MolaeRouting(LayerCase layer, Precision precision) {
        MoeSpec spec = layer.spec();
        if (spec.latent().isPresent()
                && (spec.expertGroups().numGroups() > 1 || !spec.latent().get().tiedGateUp())) {
            throw new IllegalArgumentException(layer.variant()
                    + " is dispatched in groups or in two latents, which cannot be told from its products; use MOE, MOLAE_TIED or"
                    + " LATENT_MOE");
        }
        int width = spec.expertWidth(ExpertOperator.DOWN);
        if (width < spec.numExperts()) {
            throw new IllegalArgumentException("rows of width " + width + " cannot route to " + spec.numExperts()
                    + " experts here; use a larger scale");
        }
        numExperts = spec.numExperts();
        router = Blocks.build(manager, MoeBlock.builder(), narrow(spec, spec.hiddenSize()), layer);
        narrow = Blocks.build(manager, MoeBlock.builder(), narrow(spec, width), layer);
        narrow.prepareForInference(precision);
        inputs = Blocks.inputs(manager, layer);
        for (int i = 0; i < rows.length; i++) {
            try (NDArray part = inputs[i].get(":, :" + width)) {
                rows[i] = part.reshape(new Shape(layer.tokens(), width)).duplicate();
                rows[i].attach(manager);
            }
        }
    }

    private static MoeSpec narrow(MoeSpec spec, int hiddenSize) {
        return new MoeSpec(
                hiddenSize,
                1,
                spec.numExperts(),
                spec.topK(),
                spec.activation(),
                spec.gated(),
                spec.router(),
                Optional.empty(),
                Optional.empty());
    }

    /**
     * Scores and chooses, in float32 as always.
     *
     * @param call the number of the call: it reads input {@code call % Contender.INPUTS}
     */
    public void route(int call) {
        try (NDManager scope = manager.newSubManager()) {
            TokenRouting.of(router, Blocks.alias(inputs[call % Contender.INPUTS], scope))
                    .close();
        }
    }

    /**
     * Routes, sorts the tokens by expert, gathers their rows, of the hidden size or of the latent's, and adds them up again with their weights.
     *
     * @param call the number of the call: it reads input {@code call % Contender.INPUTS}
     */
    public void dispatch(int call) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray x = Blocks.alias(rows[call % Contender.INPUTS], scope);
            narrow.forward(new ParameterStore(scope, false), new NDList(x), false);
        }
    }

    /**
     * How an input is routed.
     *
     * @param input its number
     * @return routing weights of all experts {@code [T, N]}, 0 where not chosen
     */
    public double[][] weights(int input) {
        try (NDManager scope = manager.newSubManager();
                TokenRouting routing = TokenRouting.of(router, Blocks.alias(inputs[input], scope))) {
            long[] experts = routing.experts().toLongArray();
            float[] weights = routing.weights().toFloatArray();
            int topK = (int) routing.experts().getShape().get(1);
            double[][] weightsTN = new double[experts.length / topK][numExperts];
            for (int slot = 0; slot < experts.length; slot++) {
                weightsTN[slot / topK][(int) experts[slot]] = weights[slot];
            }
            return weightsTN;
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
