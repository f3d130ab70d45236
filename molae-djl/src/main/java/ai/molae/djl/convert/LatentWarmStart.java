package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.function.UnaryOperator;

/**
 * A MoLAE model to train that begins where a MoE model is: attention, norms, embeddings, routers, shared experts and every operator that is
 * not factored are copied; the factored ones are drawn at random, with the scale of a fresh model.
 */
public final class LatentWarmStart {

    private LatentWarmStart() {}

    /**
     * Makes the model.
     *
     * @param moe a model with float32 parameters; it stays as it is
     * @param latent how its MoE layers are factored
     * @param manager will own the new model; its device is the model's. The engine's seed decides about what is random
     * @param precision the arithmetic of the products
     * @return a new model
     * @throws IllegalArgumentException if the model has no MoE layer, or one that is factored or that cannot be factored so
     * @throws IllegalStateException if the model is prepared for inference or has adapters
     */
    public static CausalLm of(CausalLm moe, LatentSpec latent, NDManager manager, Precision precision) {
        return of(moe, layer -> layer.withLatent(latent), manager, precision);
    }

    /**
     * Makes the model, each layer factored by itself.
     *
     * @param moe a model with float32 parameters; it stays as it is
     * @param factor makes a factored layer of a standard one
     * @param manager will own the new model
     * @param precision the arithmetic of the products
     * @return a new model
     * @throws IllegalArgumentException if the model has no MoE layer, or one that is factored
     * @throws IllegalStateException if the model is prepared for inference or has adapters
     */
    public static CausalLm of(CausalLm moe, UnaryOperator<MoeSpec> factor, NDManager manager, Precision precision) {
        ModelSpec spec = moe.spec();
        if (spec.feedForwards().stream().noneMatch(MoeSpec.class::isInstance)) {
            throw new IllegalArgumentException("none of the " + spec.numLayers() + " layers is a MoE layer");
        }
        CausalLm molae = SharedParameters.copy(
                moe,
                spec.mapMoe(layer -> {
                    if (layer.latent().isPresent()) {
                        throw new IllegalArgumentException("the experts are factored already: "
                                + layer.latent().get());
                    }
                    return factor.apply(layer);
                }),
                manager,
                precision);
        for (int i = 0; i < spec.numLayers(); i++) {
            if (moe.layers().get(i).feedForward() instanceof MoeBlock from) {
                splitGateUp(from, (MoeBlock) molae.layers().get(i).feedForward());
            }
        }
        return molae;
    }

    /** Where one of gate and up is factored the other has a stack of its own; in a standard layer they are one stack. */
    private static void splitGateUp(MoeBlock from, MoeBlock to) {
        MoeSpec spec = to.spec();
        if (spec.fusedGateUp()) {
            return;
        }
        long matrix = (long) spec.intermediateSize() * spec.hiddenSize();
        for (ExpertOperator operator : spec.operators()) {
            if (operator != ExpertOperator.DOWN && !spec.isFactored(operator)) {
                NDArray stack = to.getDirectParameters()
                        .get(operator == ExpertOperator.GATE ? "gate" : "up")
                        .getArray();
                for (int expert = 0; expert < spec.numExperts(); expert++) {
                    try (NDManager scope = stack.getManager().newSubManager()) {
                        WeightSource.assign(ExpertMatrices.of(scope, from, expert, operator), stack, expert * matrix);
                    }
                }
            }
        }
    }
}
