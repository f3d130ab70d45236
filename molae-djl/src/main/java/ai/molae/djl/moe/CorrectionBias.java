package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.molae.djl.torch.NoGrad;
import ai.molae.route.BalanceLoss;
import java.util.List;
import java.util.Optional;

/**
 * DeepSeek-V3's balancing without a loss (arXiv 2408.15664), for layers whose router has a correction bias: after every optimizer step experts with
 * less than the mean load become likelier.
 *
 * <pre>
 *   Δ_i = γ sign(mean(load) − load_i)       b_i = b_i + Δ_i − mean(Δ)
 * </pre>
 *
 * The load is that of the whole step, over all its passes and without padding, as {@link RouterMonitor} counts it. The bias has no gradient;
 * optimizers leave it alone.
 */
public final class CorrectionBias {

    /** The name of the parameter. */
    private static final String NAME = "e_score_correction_bias";

    private CorrectionBias() {}

    /**
     * Updates the bias of a layer in place: {@link BalanceLoss#biasUpdate} in double precision, rounded to float32.
     *
     * @param block a layer whose router has a correction bias
     * @param load {@code [N]} choices of every expert since the last update; not changed
     * @param gamma γ, the step; DeepSeek-V3 uses 0.001
     * @throws IllegalArgumentException if the router has no correction bias, there are not N loads, or γ is negative or not finite
     */
    public static void update(MoeBlock block, long[] load, double gamma) {
        if (!block.spec().router().correctionBias()) {
            throw new IllegalArgumentException(
                    "this layer's router has no correction bias to update; build its RouterSpec with optCorrectionBias(true)");
        }
        NDArray bias = block.getDirectParameters().get(NAME).getArray();
        float[] values = bias.toFloatArray();
        double[] before = new double[values.length];
        for (int i = 0; i < before.length; i++) {
            before[i] = values[i];
        }
        double[] updated = BalanceLoss.biasUpdate(before, load, gamma, true);
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) updated[i];
        }
        try (NoGrad noGrad = new NoGrad();
                NDArray source = bias.getManager().create(values)) {
            MoeOps.assign(bias, source);
        }
    }

    /**
     * Updates the biases of a model, once per optimizer step.
     *
     * @param layers the layers of a model, such as {@code CausalLm.layers()}; any of them may be a {@link MoeBlock} or hold some
     * @param monitor has watched all passes of the step, and may be closed
     * @param gamma γ
     * @return how many layers were updated; those without correction bias are left alone, and so are those that read no token
     * @throws IllegalArgumentException if γ is negative or not finite
     */
    public static int update(List<? extends Block> layers, RouterMonitor monitor, double gamma) {
        int updated = 0;
        for (Block layer : layers) {
            for (MoeBlock block : RouterMonitor.blocks(layer)) {
                Optional<long[]> load = monitor.load(block);
                if (load.isPresent() && block.spec().router().correctionBias()) {
                    update(block, load.get(), gamma);
                    updated++;
                }
            }
        }
        return updated;
    }
}
