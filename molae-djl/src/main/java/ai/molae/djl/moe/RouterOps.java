package ai.molae.djl.moe;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.floats;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Map;

/**
 * Which experts tokens go to, and the losses that keep their loads even, as functions of arrays ({@code router.py}). Autograd flows through
 * whenever it is on. Results are owned by the manager of the first array.
 */
final class RouterOps {

    private RouterOps() {}

    /** What routing tells besides the choices. */
    enum Statistics {
        /** Nothing. */
        NONE(0, 0),
        /** The auxiliary loss and the load. */
        AUX(1, 2),
        /** The auxiliary loss without the balancing loss, the load and the summed probabilities, for who balances several layers together. */
        POOLED(2, 3);

        private final int number;

        /** How many of the arrays behind the choices say something. */
        private final int arrays;

        Statistics(int number, int arrays) {
            this.number = number;
            this.arrays = arrays;
        }

        /** Takes those arrays out of a routing. */
        NDList of(NDList routing) {
            return routing.subNDList(2).subNDList(0, arrays);
        }
    }

    /**
     * Routes tokens to experts.
     *
     * @param spec the layer
     * @param tokens the tokens
     * @param parameters the layer's parameters by name
     * @param account what to return besides the choices
     * @return ids {@code [T, K]} int64 (N where the expert's capacity dropped the token), weights {@code [T, K]}, auxiliary loss
     *     {@code []}, tokens per expert {@code [N]} int64 counted before capacity, probabilities summed over the tokens {@code [N]}, and what
     *     a listener is told
     */
    static NDList route(MoeSpec spec, MoeOps.Tokens tokens, Map<String, NDArray> parameters, Account account) {
        RouterSpec router = spec.router();
        NDArray x = tokens.x();
        boolean bySequence = router.auxLossScope() == AuxLossScope.SEQUENCE;
        try (NDArray ints = ints(
                        scoreCode(router.scoreFunction()),
                        code(router.normTopkProb()),
                        spec.topK(),
                        router.nGroup(),
                        router.topkGroup(),
                        code(router.groupScore() == GroupScore.TOP2_SUM),
                        capacity(spec, tokens),
                        account.statistics().number,
                        bySequence ? tokens.sequenceLength() : 0,
                        code(account.listener().isPresent()));
                NDArray before = floats(account.before());
                NDArray floats = floats(router.routedScalingFactor(), router.auxLossCoef(), router.zLossCoef())) {
            return MoeOps.OPS.call(
                    "route",
                    x,
                    MoeOps.require(parameters, "router"),
                    parameters.getOrDefault("e_score_correction_bias", absent()),
                    tokens.mask(),
                    before,
                    ints,
                    floats);
        }
    }

    /**
     * What the router takes for the probability of each expert, chosen or not.
     *
     * @param spec the layer
     * @param x {@code [T, n]} float32
     * @param parameters the layer's parameters by name
     * @return {@code [T, N]} float32
     */
    static NDArray probabilities(MoeSpec spec, NDArray x, Map<String, NDArray> parameters) {
        try (NDArray ints = ints(scoreCode(spec.router().scoreFunction()))) {
            return MoeOps.OPS
                    .call("probabilities", x, MoeOps.require(parameters, "router"), ints)
                    .singletonOrThrow();
        }
    }

    /** Padding takes no place in an expert. Counting it waits for a GPU. */
    private static int capacity(MoeSpec spec, MoeOps.Tokens tokens) {
        boolean padded = spec.router().hasCapacity() && !tokens.mask().isEmpty();
        return spec.capacity(
                (int) (padded ? tokens.real() : tokens.x().getShape().get(0)));
    }

    /**
     * The load-balancing loss of several layers pooled.
     *
     * @param probabilities what each layer returned {@code [N]}
     * @param loads what each layer returned {@code [N]}
     * @param rows {@code []}, how many tokens were counted
     * @param coefficient the factor of the loss
     * @return {@code []}, owned by the manager of the first probabilities
     */
    static NDArray pooledBalance(NDList probabilities, NDList loads, NDArray rows, double coefficient) {
        NDList statistics = new NDList(probabilities);
        statistics.addAll(loads);
        NDList arguments = TorchArguments.list(statistics);
        try (NDArray floats = floats(coefficient)) {
            arguments.add(rows);
            arguments.add(floats);
            return MoeOps.OPS
                    .call("pooled_balance", arguments.toArray(new NDArray[0]))
                    .singletonOrThrow();
        }
    }

    private static long scoreCode(ScoreFunction scoreFunction) {
        return switch (scoreFunction) {
            case SOFTMAX -> 0;
            case SOFTMAX_OVER_CHOSEN -> 1;
            case SIGMOID -> 2;
        };
    }
}
