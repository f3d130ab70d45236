package ai.molae.djl.lm;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.initializer.NormalInitializer;
import ai.djl.util.Pair;
import ai.djl.util.PairList;
import ai.molae.djl.moe.BlockFile;
import ai.molae.djl.torch.NoGrad;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the blocks of a language model have in common: parameters declared in one line each, one input, no gradients in inference, shapes
 * checked on loading.
 */
abstract class LmBlock extends AbstractBlock {

    private static final byte VERSION = 1;

    LmBlock() {
        super(VERSION);
    }

    /** Declares a matrix, normally distributed at first. */
    final Parameter matrix(String name, double standardDeviation, long... shape) {
        return declare(name, Parameter.Type.WEIGHT, new NormalInitializer((float) standardDeviation), shape);
    }

    /** Declares a bias, zero at first. */
    final Parameter bias(String name, long size) {
        return declare(name, Parameter.Type.BIAS, Initializer.ZEROS, size);
    }

    /** Declares the weight of a norm, one at first. */
    final Parameter gamma(String name, long size) {
        return declare(name, Parameter.Type.GAMMA, Initializer.ONES, size);
    }

    private Parameter declare(String name, Parameter.Type type, Initializer initializer, long... shape) {
        return addParameter(Parameter.builder()
                .setName(name)
                .setType(type)
                .optShape(new Shape(shape))
                .optInitializer(initializer)
                .build());
    }

    /** The values of this block's own parameters on the device of {@code x}, by name. */
    final Map<String, NDArray> values(ParameterStore parameterStore, NDArray x, boolean training) {
        Map<String, NDArray> values = new HashMap<>();
        for (Pair<String, Parameter> entry : getDirectParameters()) {
            values.put(entry.getKey(), parameterStore.getValue(entry.getValue(), x.getDevice(), training));
        }
        return values;
    }

    /** The forward pass under the gradient mode of the caller. */
    abstract NDList forward(ParameterStore parameterStore, NDArray input, boolean training);

    /** Refuses a shape this block cannot read. */
    abstract void checkShape(Shape shape);

    @Override
    protected final NDList forwardInternal(
            ParameterStore parameterStore, NDList inputs, boolean training, @Nullable PairList<String, Object> params) {
        NDArray input = inputs.singletonOrThrow();
        checkShape(input.getShape());
        if (training) {
            return forward(parameterStore, input, true);
        }
        try (NoGrad noGrad = new NoGrad()) {
            return forward(parameterStore, input, false);
        }
    }

    @Override
    protected void prepare(Shape[] inputShapes) {
        checkShape(inputShapes[0]);
    }

    /** Every child of these blocks but {@link CausalLm}'s reads what its parent reads. */
    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... inputShapes) {
        getChildren().values().forEach(child -> child.initialize(manager, dataType, inputShapes));
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return new Shape[] {inputShapes[0]};
    }

    @Override
    public void loadParameters(NDManager manager, DataInputStream is) throws IOException, MalformedModelException {
        Map<String, Shape> expected = BlockFile.shapes(this);
        super.loadParameters(manager, is);
        BlockFile.checkShapes(this, expected);
    }

    /** Refuses a shape that does not end in {@code size}. */
    final void checkLast(Shape shape, int dimensions, String wanted, long size) {
        if (shape.dimension() < dimensions || shape.get(shape.dimension() - 1) != size) {
            throw new IllegalArgumentException(
                    getClass().getSimpleName() + " reads " + wanted + " = " + size + "], got " + shape);
        }
    }
}
