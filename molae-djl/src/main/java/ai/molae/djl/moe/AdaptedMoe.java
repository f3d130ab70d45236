package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
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
        return GradientTape.current().orElseThrow().record(tokens.x(), x -> {
            NDList recorded = MoeOps.forward(layer, tokens.with(x), parameters, account);
            NDList outputs = new NDList();
            recorded.forEach(output -> outputs.add(output.stopGradient()));
            if (recompute) {
                recorded.close();
            }
            return new GradientTape.Recorded(outputs, gradients -> {
                NDList again =
                        recompute ? MoeOps.forward(layer, tokens.with(x), parameters, account.again()) : recorded;
                try (again) {
                    return new GradientTape.Gradient(x.zerosLike(), product(again, gradients));
                }
            });
        });
    }

    /** {@code Σ output · gradient} over the floating-point outputs. */
    private static NDArray product(NDList outputs, NDList gradients) {
        NDArray sum = outputs.head().mul(gradients.head()).sum();
        int next = 1;
        for (NDArray output : outputs.subList(1, outputs.size())) {
            if (output.getDataType() == DataType.FLOAT32) {
                sum = sum.add(output.mul(gradients.get(next)).sum());
                next++;
            }
        }
        return sum;
    }
}
