package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import java.util.List;
import java.util.Map;

/** {@link SecondMoment#FULL}, by libtorch's fused kernel, all parameters in one call. */
final class FusedAdamW extends ParameterUpdate {

    private final AdamWSpec spec;
    private final List<NDArray> expAvgs;
    private final List<NDArray> expAvgSqs;

    FusedAdamW(NDManager manager, Map<String, Parameter> parameters, AdamWSpec spec) {
        super(manager, parameters);
        this.spec = spec;
        expAvgs = addStates("exp_avg");
        expAvgSqs = addStates("exp_avg_sq");
    }

    @Override
    void update(NDManager scope, List<NDArray> gradients, NDArray step, StepNumbers hyper) {
        NDList inputs = new NDList(
                numbers(scope, hyper.learningRate(), hyper.weightDecay(), spec.beta1(), spec.beta2(), spec.epsilon()),
                step);
        inputs.addAll(named(scope, "params", weights()))
                .addAll(named(scope, "grads", gradients))
                .addAll(named(scope, "exp_avgs", expAvgs))
                .addAll(named(scope, "exp_avg_sqs", expAvgSqs));
        OPS.call("adamw", inputs.toArray(NDArray[]::new));
    }
}
