package ai.molae.djl.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.initializer.Initializer;
import java.util.function.Predicate;

/** Says which parameters of a block train. A frozen one has no gradient, and none is computed for it. */
public final class Freezing {

    private Freezing() {}

    /**
     * Lets some parameters train and freezes the others. Running statistics, among them the router's correction bias, never train. Frozen
     * parameters give the memory of their gradients back, for which those that have one are copied, one by one. To be called before an optimizer is made, and not while another thread uses the
     * block.
     *
     * @param block the block, with its children
     * @param trains which parameters train
     */
    public static void train(Block block, Predicate<Parameter> trains) {
        block.getParameters().forEach(entry -> {
            Parameter parameter = entry.getValue();
            boolean frozen = isStatistic(parameter) || !trains.test(parameter);
            parameter.freeze(frozen);
            if (frozen && parameter.isInitialized()) {
                dropGradient(parameter);
            }
        });
    }

    private static boolean isStatistic(Parameter parameter) {
        return parameter.getType() == Parameter.Type.RUNNING_MEAN || parameter.getType() == Parameter.Type.RUNNING_VAR;
    }

    /**
     * libtorch keeps the gradient with the tensor, so the values move to another one. They are copied: their memory may belong to the handle
     * that DJL has of the old tensor.
     */
    private static void dropGradient(Parameter parameter) {
        NDArray array = parameter.getArray();
        try (NDArray gradients = CommonOps.OPS.call("gradients", array).singletonOrThrow()) {
            if (gradients.isEmpty()) {
                return;
            }
        }
        NDArray values = TorchOps.lasting(array.duplicate());
        Initializer initializer = parameter.getInitializer();
        parameter.close();
        parameter.setInitializer((manager, shape, type) -> values);
        parameter.initialize(values.getManager(), DataType.FLOAT32);
        parameter.setInitializer(initializer);
    }
}
