package ai.molae.djl.lm;

import ai.djl.MalformedModelException;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.initializer.NormalInitializer;
import ai.djl.util.Pair;
import ai.djl.util.PairList;
import ai.molae.djl.moe.BlockFile;
import ai.molae.djl.torch.AdaptableBlock;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.OutOfNativeMemoryException;
import ai.molae.djl.torch.PackedWeights;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchOps;
import java.io.DataInputStream;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the blocks of a language model have in common: parameters declared in one line each, one input, no gradients in inference, shapes
 * checked on loading.
 */
abstract class LmBlock extends AdaptableBlock {

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
        return declare(Parameter.builder()
                .setName(name)
                .setType(type)
                .optShape(new Shape(shape))
                .optInitializer(initializer)
                .build());
    }

    /** Matrices are packed; biases and norms stay. */
    @Override
    protected Storage storage(String parameter) {
        return getDirectParameters().get(parameter).getType() == Parameter.Type.WEIGHT
                ? Storage.PACKED
                : Storage.PARAMETER;
    }

    @Override
    protected TorchOps operations() {
        return LmOps.OPS;
    }

    /** What this block computes with: its own parameters on the device of {@code x}, or its packed weights. */
    final Weights weights(ParameterStore parameterStore, NDArray x, boolean training, Precision precision) {
        Map<String, NDArray> values = new HashMap<>();
        for (Pair<String, Parameter> entry : getDirectParameters()) {
            if (packed().isEmpty() || storage(entry.getKey()) == Storage.PARAMETER) {
                values.put(entry.getKey(), value(parameterStore, entry.getValue(), x.getDevice(), training));
            }
        }
        putScale(values);
        long gemm = packed().map(PackedWeights::gemm).orElseGet(() -> Gemm.training(precision, x.getDevice()));
        return new Weights(getClass(), values, packed(), gemm);
    }

    /** The forward pass under the gradient mode of the caller. */
    abstract NDList compute(ParameterStore parameterStore, NDList inputs, boolean training);

    /** Refuses a shape this block cannot read. */
    abstract void checkShape(Shape shape);

    @Override
    protected final NDList forwardInternal(
            ParameterStore parameterStore, NDList inputs, boolean training, @Nullable PairList<String, Object> params) {
        String name = getClass().getSimpleName();
        if (inputs.isEmpty()) {
            throw new IllegalArgumentException(name + " reads an array, got none");
        }
        checkOpen(inputs);
        Shape shape = inputs.head().getShape();
        checkShape(shape);
        checkType(inputs.head());
        try {
            if (training) {
                checkNotPrepared("train");
                return compute(parameterStore, inputs, true);
            }
            try (NoGrad noGrad = new NoGrad()) {
                return compute(parameterStore, inputs, false);
            }
        } catch (EngineException e) {
            throw OutOfNativeMemoryException.told(e, () -> "a " + name + " that reads " + shape);
        }
    }

    /** Refuses an element type this block cannot read. */
    void checkType(NDArray x) {
        if (x.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException(getClass().getSimpleName() + " reads float32, got " + x.getDataType()
                    + " of shape " + x.getShape());
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
