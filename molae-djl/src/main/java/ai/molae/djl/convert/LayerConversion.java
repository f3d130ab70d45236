package ai.molae.djl.convert;

import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Collections;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * What a conversion did to a layer.
 *
 * @param layer its number in the model, from 0
 * @param before its spec
 * @param after its spec, without latent part if all operators stayed dense
 * @param errors of the factored operators
 * @param outputError {@code sqrt(Σ ‖y − y'‖² / Σ ‖y‖²)} of the routed experts' outputs on the text that went through the
 *     layers, after distillation on what was held out of it; empty without text
 * @param seconds how long it took
 */
public record LayerConversion(
        int layer,
        MoeSpec before,
        MoeSpec after,
        Map<ExpertOperator, OperatorError> errors,
        OptionalDouble outputError,
        double seconds) {

    /**
     * Copies the errors, in the order of the operators.
     *
     * @param layer its number in the model
     * @param before its spec
     * @param after its spec
     * @param errors of the factored operators
     * @param outputError of the routed experts
     * @param seconds how long it took
     */
    public LayerConversion {
        errors = Collections.unmodifiableMap(new TreeMap<>(errors));
    }
}
