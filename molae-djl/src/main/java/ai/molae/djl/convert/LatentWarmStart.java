package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.LayerFactors;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.OptionalInt;
import java.util.function.UnaryOperator;

/**
 * A MoLAE model to train that begins where a MoE model is: attention, norms, embeddings, routers, shared experts and every operator that is
 * not factored are copied; the factored ones are the best approximations in the Frobenius norm (Liu et al., arXiv 2503.23100). {@link Converter} does the same, and better, for
 * checkpoints.
 */
public final class LatentWarmStart {

    /** libtorch's number of the type. */
    private static final int FLOAT32 = 6;

    private LatentWarmStart() {}

    /**
     * Makes the model.
     *
     * @param moe a model with float32 parameters; it stays as it is
     * @param latent how its MoE layers are factored
     * @param manager will own the new model; its device is the model's.
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
                convert(manager, from, (MoeBlock) molae.layers().get(i).feedForward());
            }
        }
        return molae;
    }

    private static void convert(NDManager manager, MoeBlock from, MoeBlock to) {
        ExpertSource experts = new BlockExperts(from);
        LayerFactors.Problem problem = new LayerFactors.Problem(
                to.spec(), Metric.FROBENIUS, OptionalInt.empty(), FLOAT32, LayerFactors.Iterations.NONE, 1);
        try (NDManager scope = manager.newSubManager();
                LayerFactors factors = LayerFactors.solve(scope, problem, () -> experts, Runnable::run)) {
            FactoredBlock.fill(from, to, new FactoredRows(factors, experts));
        }
    }
}
