package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.molae.djl.torch.GradientTape;
import java.util.Map;

/**
 * A layer on a {@link GradientTape} whose experts have adapters: {@link MoeOps#expertsBackward} knows nothing of them, so that autograd does
 * all of it. With recomputation it does so twice, and between the passes nothing but x is kept. The tape is told because y and the auxiliary
 * loss are made of the same routing, through which autograd may pass only once.
 */
final class AdaptedMoe {

    private AdaptedMoe() {}

    /** The layer's outputs, see {@link MoeOps#forward}. */
    static NDList onTape(
            MoeOps.Layer layer,
            MoeOps.Tokens tokens,
            Map<String, NDArray> parameters,
            Account account,
            boolean recompute) {
        GradientTape tape = GradientTape.current().orElseThrow();
        if (recompute) {
            return tape.recompute(
                    new NDList(tokens.x()),
                    inputs -> MoeOps.forward(
                            layer,
                            tokens.with(inputs.head()),
                            parameters,
                            GradientTape.isRecomputing() ? account.again() : account));
        }
        return tape.record(tokens.x(), x -> {
            NDList recorded = MoeOps.forward(layer, tokens.with(x), parameters, account);
            NDList outputs = new NDList();
            recorded.forEach(output -> outputs.add(output.stopGradient()));
            return new GradientTape.Recorded(outputs, gradients -> {
                try (recorded) {
                    return GradientTape.Gradient.byAutograd(x, recorded, gradients);
                }
            });
        });
    }
}
