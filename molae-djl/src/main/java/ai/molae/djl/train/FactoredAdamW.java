package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** {@link SecondMoment#FACTORED}, of matrices and stacks of them. */
final class FactoredAdamW extends ParameterUpdate {

    private final AdamWSpec spec;
    private final List<NDArray> expAvgs;
    private final List<NDArray> rows = new ArrayList<>();
    private final List<NDArray> columns = new ArrayList<>();

    FactoredAdamW(NDManager manager, Map<String, Parameter> parameters, AdamWSpec spec) {
        super(manager, parameters);
        this.spec = spec;
        expAvgs = addStates("exp_avg");
        parameters.forEach((path, parameter) -> {
            Shape shape = parameter.getArray().getShape();
            int last = shape.dimension() - 1;
            Shape stack = shape.slice(0, last - 1);
            rows.add(addState(path, "exp_avg_sq_row", parameter, stack.add(shape.get(last - 1)), DataType.FLOAT32));
            columns.add(addState(path, "exp_avg_sq_col", parameter, stack.add(shape.get(last)), DataType.FLOAT32));
        });
    }

    @Override
    void update(NDManager scope, List<NDArray> gradients, NDArray step, StepNumbers hyper) {
        NDArray numbers = adamW(scope, spec, hyper);
        List<NDArray> weights = weights();
        for (int i = 0; i < weights.size(); i++) {
            OPS.call(
                    "adamw_factored",
                    numbers,
                    weights.get(i),
                    gradients.get(i),
                    expAvgs.get(i),
                    rows.get(i),
                    columns.get(i));
        }
    }
}
