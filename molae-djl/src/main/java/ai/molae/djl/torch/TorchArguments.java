package ai.molae.djl.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.molae.spec.Activation;

/**
 * Arguments of {@link TorchOps} methods that are not tensors. Numbers travel as CPU tensors, so that reading them never waits for a GPU;
 * who makes them closes them after the call.
 */
public final class TorchArguments {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    private static final NDManager CPU = NDManager.newBaseManager(Device.cpu(), "PyTorch");
    private static final NDArray ABSENT = TorchOps.lasting(CPU.create(new float[0]));

    private static final String LIST_NAME = "list[]";

    /** A list cannot be empty; nobody reads this element. */
    private static final NDArray NOTHING = named(TorchOps.lasting(CPU.create(new float[0])));

    private TorchArguments() {}

    private static NDArray named(NDArray array) {
        array.setName(LIST_NAME);
        return array;
    }

    /**
     * Integers, read by {@code annotate(List[int], t.tolist())}.
     *
     * @param values the integers
     * @return a CPU int64 array, owned by the caller
     */
    public static NDArray ints(long... values) {
        return CPU.create(values);
    }

    /**
     * Numbers, read by {@code annotate(List[float], t.tolist())}.
     *
     * @param values the numbers
     * @return a CPU float64 array, owned by the caller
     */
    public static NDArray floats(double... values) {
        return CPU.create(values);
    }

    /**
     * Stands for a tensor that is not there: no elements.
     *
     * @return a shared array; not to be closed
     */
    public static NDArray absent() {
        return ABSENT;
    }

    /**
     * One argument of type {@code List[Tensor]}.
     *
     * @param arrays its elements, which are given a name by which DJL makes them a list; other lists of the call would be joined to it
     * @return what to pass
     */
    public static NDList list(NDList arrays) {
        if (arrays.isEmpty()) {
            return new NDList(NOTHING);
        }
        arrays.forEach(array -> array.setName(LIST_NAME));
        return arrays;
    }

    /**
     * The number of a flag.
     *
     * @param flag the flag
     * @return 1 or 0
     */
    public static long code(boolean flag) {
        return flag ? 1 : 0;
    }

    /**
     * The number of an activation in {@code activate} of {@code common.py}.
     *
     * @param activation the activation
     * @return its number
     */
    public static long code(Activation activation) {
        return switch (activation) {
            case SILU -> 0;
            case GELU -> 1;
            case GELU_TANH -> 2;
            case RELU -> 3;
            case RELU_SQUARED -> 4;
        };
    }
}
