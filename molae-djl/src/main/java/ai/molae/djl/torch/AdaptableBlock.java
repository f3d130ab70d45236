package ai.molae.djl.torch;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.initializer.UniformInitializer;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A block some of whose matrices may have low-rank adapters beside them (LoRA, Hu et al., arXiv 2106.09685), see {@link Adapters}. Adapters
 * are computed as two thin products, never as a matrix of the size of W. They are ordinary parameters of the block: {@code W_lora_a [r, in]}
 * and {@code W_lora_b [out, r]}, or with a leading N for a stack.
 *
 * <p>With adapters a block infers and trains; to be saved, loaded or prepared for inference it needs them {@link #mergeAdapters() merged}
 * or {@link #removeAdapters() removed}. None of this may be done while another thread uses the block.
 */
public abstract class AdaptableBlock extends PreparableBlock {

    private volatile @Nullable NDArray scale;

    /**
     * A block.
     *
     * @param version of its parameters in files
     */
    protected AdaptableBlock(byte version) {
        super(version);
    }

    /**
     * The parameters of this block, without its children, that can have adapters.
     *
     * @return their names; none unless a block says so
     */
    public List<String> adaptable() {
        return List.of();
    }

    /**
     * Gives parameters adapters that change nothing yet: A is uniform in {@code ±1/√in}, B zero. They belong to the manager that owns the
     * parameter. Which parameters train is not changed.
     *
     * @param names some of {@link #adaptable()}
     * @param rank r, at least 1
     * @param alpha the product B A counts {@code alpha / r} times
     * @throws IllegalStateException if the block has adapters already, is not initialised or is prepared for inference
     * @throws IllegalArgumentException if a parameter cannot have one
     */
    public final void addAdapters(Collection<String> names, int rank, double alpha) {
        checkNotPrepared("add adapters");
        checkNoAdapters("add others");
        if (rank < 1) {
            throw new IllegalArgumentException("the rank of an adapter must be at least 1, got " + rank);
        }
        names.forEach(this::checkAdaptable);
        for (String name : names) {
            NDArray w = value(name);
            Shape shape = w.getShape();
            Shape stack = shape.slice(0, shape.dimension() - 2);
            long out = shape.get(shape.dimension() - 2);
            long in = shape.get(shape.dimension() - 1);
            Initializer uniform = new UniformInitializer((float) (1 / Math.sqrt((double) in)));
            add(Adapters.a(name), uniform, stack.add(rank).add(in), w.getManager());
            add(Adapters.b(name), Initializer.ZEROS, stack.add(out).add(rank), w.getManager());
            if (scale == null) {
                scale = scale(alpha / rank, w.getManager());
            }
        }
    }

    private void checkAdaptable(String name) {
        if (!adaptable().contains(name)) {
            throw new IllegalArgumentException(
                    "no adapter for " + name + " of " + getClass().getSimpleName() + ", only for " + adaptable());
        }
        if (!getDirectParameters().get(name).isInitialized()) {
            throw new IllegalStateException(
                    "parameter " + name + " has no values; initialise or load the block before adding adapters");
        }
    }

    private NDArray value(String name) {
        return getDirectParameters().get(name).getArray();
    }

    private void add(String name, Initializer initializer, Shape shape, NDManager manager) {
        Parameter parameter = addParameter(Parameter.builder()
                .setName(name)
                .setType(Parameter.Type.WEIGHT)
                .optShape(shape)
                .optInitializer(initializer)
                .build());
        parameter.initialize(manager, DataType.FLOAT32);
        TorchOps.lasting(parameter.getArray());
    }

    /** Without dimensions and on the CPU, so that it multiplies arrays of any element type and device. */
    private static NDArray scale(double value, NDManager manager) {
        try (NDManager cpu = manager.newSubManager(Device.cpu())) {
            NDArray array = TorchOps.lasting(cpu.create((float) value));
            array.attach(manager);
            return array;
        }
    }

    /**
     * Adds every adapter of this block and its children to its matrix, {@code W += s B A}, in place and matrix by matrix, so that no second
     * stack is ever made; then removes them.
     */
    public final void mergeAdapters() {
        NDArray s = scale;
        if (s != null) {
            try (NoGrad noGrad = new NoGrad()) {
                adaptable().stream().filter(this::isAdapted).forEach(name -> CommonOps.OPS
                        .call("merge", value(name), value(Adapters.a(name)), value(Adapters.b(name)), s)
                        .close());
            }
        }
        children().forEach(AdaptableBlock::mergeAdapters);
        removeOwn();
    }

    /** Removes every adapter of this block and its children, which then compute as if there had been none. */
    public final void removeAdapters() {
        children().forEach(AdaptableBlock::removeAdapters);
        removeOwn();
    }

    private void removeOwn() {
        NDArray s = scale;
        if (s == null) {
            return;
        }
        for (String name : adaptable()) {
            for (String adapter : List.of(Adapters.a(name), Adapters.b(name))) {
                Parameter parameter = parameters.remove(adapter);
                if (parameter != null) {
                    parameter.close();
                }
            }
        }
        s.close();
        scale = null;
    }

    /**
     * How many matrices or stacks of this block and its children have adapters.
     *
     * @return the number
     */
    public final int numAdapters() {
        long own = adaptable().stream().filter(this::isAdapted).count();
        return (int) own + children().mapToInt(AdaptableBlock::numAdapters).sum();
    }

    private boolean isAdapted(String name) {
        return parameters.containsKey(Adapters.a(name));
    }

    private Stream<AdaptableBlock> children() {
        return getChildren().values().stream()
                .filter(AdaptableBlock.class::isInstance)
                .map(AdaptableBlock.class::cast);
    }

    /**
     * Adds what the adapters of this block are multiplied with to its arrays, if it has any.
     *
     * @param arrays arrays by parameter name
     */
    protected final void putScale(Map<String, NDArray> arrays) {
        NDArray s = scale;
        if (s != null) {
            Adapters.putScale(arrays, s);
        }
    }

    private void checkNoAdapters(String verb) {
        int count = numAdapters();
        if (count > 0) {
            throw new IllegalStateException("cannot " + verb + ": " + count + " weights of this "
                    + getClass().getSimpleName() + " have adapters (LoRA) beside them; merge them into the weights"
                    + " before, or remove them to go back to the weights as they are");
        }
    }

    @Override
    public void checkPreparable(Precision precision) {
        checkNoAdapters("prepare for inference");
        super.checkPreparable(precision);
    }

    @Override
    public void prepareForInference(NDManager manager, WeightSource source, Precision precision) {
        checkNoAdapters("prepare for inference");
        super.prepareForInference(manager, source, precision);
    }

    @Override
    public void saveParameters(DataOutputStream os) throws IOException {
        checkNoAdapters("save");
        super.saveParameters(os);
    }

    @Override
    public void loadParameters(NDManager manager, DataInputStream is) throws IOException, MalformedModelException {
        checkNoAdapters("load");
        super.loadParameters(manager, is);
    }

    @Override
    public void clear() {
        removeAdapters();
        super.clear();
    }
}
