package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NoGrad;
import java.util.Map;
import java.util.Optional;

/**
 * A layer on a {@link GradientTape}: autograd sees the router and the shared expert, the experts have {@link MoeOps#expertsBackward}. Kept
 * between the passes are the products of gate and up and the latents, or with recomputation nothing but x.
 */
final class TapedMoe {

    private final MoeOps.Layer layer;
    private final Map<String, NDArray> parameters;
    private final MoeOps.Tokens tokens;
    private final Account account;
    private final boolean recompute;

    /** One decision for both passes: what was kept has to fit. */
    private final long gemm;

    TapedMoe(
            MoeOps.Layer layer,
            long gemm,
            MoeOps.Tokens tokens,
            Map<String, NDArray> parameters,
            Account account,
            boolean recompute) {
        this.gemm = gemm;
        this.layer = layer;
        this.parameters = parameters;
        this.tokens = tokens;
        this.account = account;
        this.recompute = recompute;
    }

    /** What autograd recorded: of the router and the shared expert. */
    private record Recorded(NDList routing, Optional<NDArray> shared) implements AutoCloseable {
        @Override
        public void close() {
            routing.close();
            shared.ifPresent(NDArray::close);
        }
    }

    private Recorded recordAutograd(NDArray x, Account told) {
        return new Recorded(
                RouterOps.route(layer.spec(), tokens.with(x), parameters, told),
                layer.spec().sharedExpert().map(s -> MoeOps.shared(layer.spec(), x, parameters, layer.precision())));
    }

    /** The forward pass. */
    GradientTape.Recorded forward(NDArray x) {
        MoeOps.giveGradients(parameters);
        Recorded recorded = recordAutograd(x, account);
        account.tell(recorded.routing());
        NDList yAndKept = runExperts(x, recorded);
        NDList outputs = outputs(yAndKept.get(0), recorded);
        if (recompute) {
            recorded.close();
            return new GradientTape.Recorded(
                    outputs, gradients -> backward(x, recordAutograd(x, account.again()), new NDList(), gradients));
        }
        return new GradientTape.Recorded(outputs, gradients -> backward(x, recorded, yAndKept.subNDList(1), gradients));
    }

    private NDList runExperts(NDArray x, Recorded recorded) {
        MoeOps.Keep keep = recompute ? MoeOps.Keep.NOTHING : MoeOps.Keep.ACTIVATIONS;
        NDList routing = recorded.routing();
        try (NoGrad noGrad = new NoGrad()) {
            NDList result = MoeOps.experts(layer, gemm, x, routing.get(0), routing.get(1), parameters, keep);
            recorded.shared().ifPresent(shared -> result.get(0).addi(shared));
            return result;
        }
    }

    private NDList outputs(NDArray y, Recorded recorded) {
        NDList outputs = new NDList(y);
        account.statistics().of(recorded.routing()).forEach(a -> outputs.add(a.stopGradient()));
        return outputs;
    }

    /** The experts' gradients by hand, those of the rest by autograd. */
    private GradientTape.Gradient backward(NDArray x, Recorded recorded, NDList kept, NDList gradients) {
        try (recorded;
                kept) {
            NDArray gy = gradients.get(0);
            NDList routing = recorded.routing();
            NDList ours;
            try (NoGrad noGrad = new NoGrad()) {
                ours = MoeOps.expertsBackward(layer, gemm, x, routing.get(0), routing.get(1), gy, parameters, kept);
            }
            NDArray surrogate = routing.get(1).mul(ours.get(1)).sum();
            // The load between the two has no gradient.
            if (account.statistics() != RouterOps.Statistics.NONE) {
                surrogate = surrogate.add(routing.get(2).mul(gradients.get(1)));
            }
            if (account.statistics() == RouterOps.Statistics.POOLED) {
                surrogate = surrogate.add(routing.get(4).mul(gradients.get(2)).sum());
            }
            if (recorded.shared().isPresent()) {
                surrogate = surrogate.add(recorded.shared().get().mul(gy).sum());
            }
            return new GradientTape.Gradient(ours.get(0), surrogate);
        }
    }
}
