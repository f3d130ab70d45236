package ai.molae.djl.convert;

import ai.molae.spec.ExpertOperator;
import java.util.Map;

/** How wide the latent spaces become. */
public sealed interface RankPolicy {

    /**
     * The same latent sizes in every layer.
     *
     * @param latentSizes r of every factored operator
     */
    record Fixed(Map<ExpertOperator, Integer> latentSizes) implements RankPolicy {}

    /**
     * One latent size for all factored operators of a layer, the largest with which its routed experts have at most a share of their parameters.
     *
     * @param ratio the share, in (0, 1]
     */
    record Uniform(double ratio) implements RankPolicy {}

    /**
     * Latent sizes spread over layers and operators so that the error falls most for what they cost; an operator may stay dense.
     *
     * @param unit what is counted
     * @param ratio the share of the standard layers' total, in (0, 1]
     */
    record Budget(Unit unit, double ratio) implements RankPolicy {}

    /** What a budget counts, of the routed experts of all layers. */
    enum Unit {
        /** Numbers. */
        PARAMETERS,
        /** Bytes of the written tensors. */
        BYTES,
        /** Multiply-adds of a token times two. */
        FLOPS
    }
}
