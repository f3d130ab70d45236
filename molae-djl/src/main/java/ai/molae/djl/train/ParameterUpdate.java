package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.djl.torch.TorchOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Updates parameters by one formula, and has the state for it: arrays of a manager, all zero at first. */
abstract class ParameterUpdate {

    static final TorchOps OPS = new TorchOps(Optimizer.class, "optimizers.py");

    /** Elements of a piece of a parameter, where an update works piece by piece: 1 MB. */
    static final long PIECE = 1 << 18;

    private final NDManager manager;
    private final Map<String, Parameter> parameters;
    private final Map<String, NDArray> state = new LinkedHashMap<>();

    ParameterUpdate(NDManager manager, Map<String, Parameter> parameters) {
        this.manager = manager;
        this.parameters = parameters;
        parameters.values().forEach(parameter -> parameter.getArray().setRequiresGradient(true));
    }

    /**
     * Updates the parameters.
     *
     * @param scope for temporary arrays
     * @param gradients in the order of the parameters
     * @param step [] the number of this step, float32
     * @param hyper learning rate and what else is known of the step
     */
    abstract void update(NDManager scope, List<NDArray> gradients, NDArray step, StepNumbers hyper);

    /** Numbers of a step: lr with all factors, λ, and t. */
    record StepNumbers(double learningRate, double weightDecay, double t) {}

    /** The state, by path and name. */
    final Map<String, NDArray> state() {
        return state;
    }

    final List<NDArray> weights() {
        return parameters.values().stream().map(Parameter::getArray).toList();
    }

    /** Adds a state of the shape of each parameter. */
    final List<NDArray> addStates(String name) {
        List<NDArray> arrays = new ArrayList<>();
        parameters.forEach((path, parameter) ->
                arrays.add(addState(path, name, parameter, parameter.getArray().getShape(), DataType.FLOAT32)));
        return arrays;
    }

    /** Adds a state to a parameter, on its device. */
    final NDArray addState(String path, String name, Parameter parameter, Shape shape, DataType type) {
        NDArray array = lasting(manager.zeros(shape, type, parameter.getArray().getDevice()));
        state.put(path + "." + name, array);
        return array;
    }

    static NDArray lasting(NDArray array) {
        return TorchOps.lasting(array);
    }

    /**
     * Second handles of the same tensors, because the name that makes them elements of a list belongs to the handle.
     *
     * @param owner will own the handles
     */
    static NDList named(NDManager owner, String name, List<NDArray> arrays) {
        NDList list = new NDList();
        for (NDArray array : arrays) {
            NDArray handle = array.toDevice(array.getDevice(), true);
            handle.attach(owner);
            handle.setName(name + "[]");
            list.add(handle);
        }
        return list;
    }

    static NDArray numbers(NDManager scope, double... values) {
        NDArray numbers = TorchArguments.floats(values);
        numbers.attach(scope);
        return numbers;
    }

    /** What AdamW's formula needs of a step where it is our own: with the corrections of the moments, and {@link #PIECE}. */
    static NDArray adamW(NDManager scope, AdamWSpec spec, StepNumbers hyper) {
        return numbers(
                scope,
                hyper.learningRate(),
                hyper.weightDecay(),
                spec.beta1(),
                spec.beta2(),
                spec.epsilon(),
                1 - Math.pow(spec.beta1(), hyper.t()),
                1 - Math.pow(spec.beta2(), hyper.t()),
                PIECE);
    }
}
