package ai.molae.djl.convert;

import java.util.Set;

/** The parameters that a layer has whether its experts are factored or not. */
final class CommonParameters {

    static final Set<String> NAMES =
            Set.of("router", "e_score_correction_bias", "shared_gate_up", "shared_up", "shared_down", "shared_gate");

    private CommonParameters() {}
}
