package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;

/**
 * Elements that expert-parallel dispatch and combine move per token, every chosen expert taken to be on another device
 * and every latent projection to be replicated on all of them:
 *
 * <pre>
 *   dispatched   K·R if gate and up are both factored (ungated: up); K·n as soon as one is dense, since then x
 *                itself is sent and the latents follow from it
 *   combined     K·r if down is factored, else K·n
 * </pre>
 *
 * @param dispatched elements sent to the experts
 * @param combined elements sent back
 */
public record ExpertTraffic(long dispatched, long combined) {

    /**
     * Both directions.
     *
     * @return dispatched + combined
     */
    public long total() {
        return dispatched + combined;
    }

    static ExpertTraffic of(MoeSpec spec) {
        boolean latentIn =
                spec.isFactored(ExpertOperator.UP) && (!spec.gated() || spec.isFactored(ExpertOperator.GATE));
        return new ExpertTraffic(
                Checks.product(spec.topK(), latentIn ? spec.latentInSize() : spec.hiddenSize()),
                Checks.product(spec.topK(), spec.expertWidth(ExpertOperator.DOWN)));
    }
}
