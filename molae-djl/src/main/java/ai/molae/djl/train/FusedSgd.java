package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import java.util.List;
import java.util.Map;

/** {@link SgdSpec}, by libtorch's fused kernel, all parameters in one call. */
final class FusedSgd extends ParameterUpdate {

    private final SgdSpec spec;
    private final List<NDArray> momenta;

    FusedSgd(NDManager manager, Map<String, Parameter> parameters, SgdSpec spec) {
        super(manager, parameters);
        this.spec = spec;
        momenta = spec.momentum() > 0 ? addStates("momentum") : List.of();
    }

    @Override
    void update(NDManager scope, List<NDArray> gradients, NDArray step, StepNumbers hyper) {
        NDList inputs = new NDList(
                numbers(scope, hyper.learningRate(), hyper.weightDecay(), spec.momentum(), spec.nesterov() ? 1 : 0));
        inputs.addAll(named(scope, "params", weights())).addAll(named(scope, "grads", gradients));
        inputs.addAll(named(scope, "momenta", momenta));
        OPS.call(momenta.isEmpty() ? "sgd_plain" : "sgd", inputs.toArray(NDArray[]::new));
    }
}
