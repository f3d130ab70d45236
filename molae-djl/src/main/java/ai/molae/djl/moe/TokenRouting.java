package ai.molae.djl.moe;

import static ai.molae.djl.torch.TorchArguments.absent;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.MoeSpec;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the router of a layer does with tokens, each by itself: a capacity of the experts is left aside, because it depends on the other tokens
 * of a batch. Ties go to the lower expert. Works with blocks prepared for inference too, because routers are never packed. The arrays are owned by the
 * manager of the tokens; closing this closes them.
 *
 * @param experts the chosen experts {@code [T, K]} int64, best first
 * @param weights the routing weights p of the chosen {@code [T, K]} float32, normalised and scaled as the spec says
 * @param probabilities the router's scores of all experts {@code [T, N]} float32: softmax, or sigmoids divided by their sum; the correction
 *     bias is not in them
 */
public record TokenRouting(NDArray experts, NDArray weights, NDArray probabilities) implements AutoCloseable {

    /**
     * Routes tokens. Builds no autograd graph.
     *
     * @param block an initialised layer
     * @param xTn {@code [T, n]} float32, on the block's device
     * @return the routing
     * @throws IllegalArgumentException if the tokens have another shape or type
     */
    public static TokenRouting of(MoeBlock block, NDArray xTn) {
        MoeSpec spec = block.spec();
        Shape shape = xTn.getShape();
        if (shape.dimension() != 2 || shape.get(1) != spec.hiddenSize() || xTn.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException("a router reads [T, hiddenSize = " + spec.hiddenSize()
                    + "] float32, got " + xTn.getDataType() + " " + shape);
        }
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        block.getDirectParameters().forEach(entry -> {
            if (entry.getKey().equals("router") || entry.getKey().equals("e_score_correction_bias")) {
                parameters.put(entry.getKey(), entry.getValue().getArray());
            }
        });
        MoeSpec dropless = spec.toBuilder()
                .optRouter(spec.router().toBuilder()
                        .optCapacityFactor(Double.POSITIVE_INFINITY)
                        .build())
                .build();
        try (NoGrad noGrad = new NoGrad()) {
            NDList routing =
                    RouterOps.route(dropless, new MoeOps.Tokens(xTn, absent(), 0), parameters, Account.NOTHING);
            routing.subNDList(2).close();
            return new TokenRouting(routing.get(0), routing.get(1), RouterOps.probabilities(dropless, xTn, parameters));
        }
    }

    /** Closes the arrays. */
    @Override
    public void close() {
        experts.close();
        weights.close();
        probabilities.close();
    }
}
