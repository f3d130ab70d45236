package ai.molae.djl.torch;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * A block whose weights can be packed for inference, once and for good. Afterwards the block infers only: it can neither train nor be
 * saved nor loaded.
 */
public abstract class PreparableBlock extends AbstractBlock {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /** The shapes that parameters must have, by name: DJL lets anyone set an array of another. */
    private final Map<String, Shape> declared = new HashMap<>();

    private volatile @Nullable PackedWeights packed;

    private volatile Optional<Precision> preparedPrecision = Optional.empty();

    /** What becomes of a parameter in a block prepared for inference. */
    protected enum Storage {
        /** It stays a float32 parameter. */
        PARAMETER,
        /** A matrix or a stack of them that is multiplied with. */
        PACKED,
        /** A tensor in the element type of activations. */
        PLAIN,
        /** A table whose rows are looked up. */
        TABLE,
        /** A table that is multiplied with too. */
        TABLE_AND_PACKED
    }

    /**
     * A block.
     *
     * @param version of its parameters in files
     */
    protected PreparableBlock(byte version) {
        super(version);
    }

    /**
     * Adds a parameter of this block whose shape is known now and never another.
     *
     * @param parameter with name and shape
     * @return the parameter
     */
    protected final Parameter declare(Parameter parameter) {
        declared.put(parameter.getName(), parameter.getShape());
        return addParameter(parameter);
    }

    /**
     * The array of a parameter, if it can be computed with.
     *
     * @param parameterStore the parameter store
     * @param parameter a parameter of this block
     * @param device where it is needed
     * @param training whether it will have a gradient
     * @return the array on the device
     * @throws IllegalStateException if it was freed
     * @throws IllegalArgumentException if someone gave it an array of another shape or element type
     */
    protected final NDArray value(ParameterStore parameterStore, Parameter parameter, Device device, boolean training) {
        if (parameter.isInitialized()) {
            checkValue(parameter, parameter.getArray());
        } else if (preparedPrecision.isPresent()) {
            throw new IllegalStateException(
                    described(parameter) + " is freed: the block was cleared after it was prepared for inference;"
                            + " load the parameters into a new block");
        }
        return parameterStore.getValue(parameter, device, training);
    }

    private String described(Parameter parameter) {
        return "parameter " + parameter.getName() + " of this " + getClass().getSimpleName();
    }

    private void checkValue(Parameter parameter, NDArray array) {
        if (array.isReleased()) {
            throw new IllegalStateException(described(parameter) + " is freed: the manager that owned it was closed;"
                    + " keep that manager open for as long as the block is used");
        }
        Shape shape = declared.getOrDefault(parameter.getName(), array.getShape());
        if (array.getDataType() != DataType.FLOAT32 || !array.getShape().equals(shape)) {
            throw new IllegalArgumentException(described(parameter) + " must be float32 of shape " + shape
                    + ", someone gave it " + array.getDataType() + " of shape " + array.getShape());
        }
    }

    /**
     * Refuses inputs that are closed.
     *
     * @param inputs the inputs
     * @throws IllegalStateException if one is
     */
    protected final void checkOpen(NDList inputs) {
        for (int i = 0; i < inputs.size(); i++) {
            if (inputs.get(i).isReleased()) {
                throw new IllegalStateException(
                        "input " + i + " of " + getClass().getSimpleName()
                                + " is closed, or the manager that owned it; close arrays after the last use");
            }
        }
    }

    /**
     * What becomes of a parameter of this block.
     *
     * @param parameter its name
     * @return how it is stored
     */
    protected abstract Storage storage(String parameter);

    /**
     * The operations that read the packed weights of this block.
     *
     * @return what all blocks of its kind share
     */
    protected abstract TorchOps operations();

    /**
     * Packs the weights for inference: in {@code precision}, in the layout that multiplies fastest here ({@link Gemm}), and frees the float32
     * parameters. The packed weights belong to the manager that owned the parameters. Not to be called while another thread uses the block.
     *
     * <p>Errors against float32, of the largest output of a layer, are of the order of 1e-2 in bfloat16 and int8 and 1e-3 in float16; bytes per
     * weight 4, 2, 2 and 1 (int8: and a scale per channel). While it packs, native memory holds one block twice.
     *
     * @param precision how to store the weights
     * @throws IllegalStateException if the block is not initialised, or already prepared
     * @throws IllegalArgumentException for float16 and int8, if a weight is not finite or too large; the block is then as before
     */
    public void prepareForInference(Precision precision) {
        checkPreparable(precision);
        NDManager manager = getParameters().get(0).getValue().getArray().getManager();
        prepareForInference(manager, WeightSource.ownValues(), precision);
    }

    /**
     * Packs weights as they are read, so that they never stand in memory in float32; see {@link #prepareForInference(Precision)}. On an
     * exception the block is not usable.
     *
     * @param manager will own the packed weights and the parameters that stay float32; its device is the block's
     * @param source where the values of the parameters come from
     * @param precision how to store the weights
     * @throws IllegalStateException if the block is already prepared
     * @throws IllegalArgumentException for float16 and int8, if a weight is not finite or too large
     */
    public void prepareForInference(NDManager manager, WeightSource source, Precision precision) {
        checkNotPrepared("prepare");
        packed = store(manager, source, precision);
        for (Block child : getChildren().values()) {
            ((PreparableBlock) child).prepareForInference(manager, source, precision);
        }
        preparedPrecision = Optional.of(precision);
    }

    private @Nullable PackedWeights store(NDManager manager, WeightSource source, Precision precision) {
        List<Parameter> stored = new ArrayList<>();
        for (Parameter parameter : getDirectParameters().values()) {
            if (storage(parameter.getName()) != Storage.PARAMETER) {
                stored.add(parameter);
            } else if (!parameter.isInitialized()) {
                source.fill(manager, parameter);
            }
        }
        if (stored.isEmpty()) {
            return null;
        }
        PackedWeights weights = new PackedWeights(operations(), precision, manager.getDevice());
        try (NDManager scope = manager.newSubManager()) {
            stored.forEach(parameter -> store(scope, parameter, source, weights));
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
        weights.attachTo(manager);
        stored.forEach(Parameter::close);
        // What packing freed would otherwise stay with the process, block after block.
        NativeMemory.trim();
        return weights;
    }

    private void store(NDManager scope, Parameter parameter, WeightSource source, PackedWeights weights) {
        switch (storage(parameter.getName())) {
            case PARAMETER -> throw new IllegalStateException(parameter.getName() + " stays a parameter");
            case PACKED -> weights.pack(scope, parameter, source);
            case PLAIN -> weights.keep(scope, parameter, source);
            case TABLE -> weights.table(scope, parameter, source);
            case TABLE_AND_PACKED -> {
                weights.table(scope, parameter, source);
                weights.pack(scope, parameter, source);
            }
        }
    }

    /**
     * Refuses what {@link #prepareForInference(Precision)} would refuse, and changes nothing.
     *
     * @param precision how to store the weights
     * @throws IllegalStateException if the block is not initialised, or already prepared
     * @throws IllegalArgumentException for float16 and int8, if a weight is not finite or too large
     */
    public void checkPreparable(Precision precision) {
        if (preparedPrecision.isPresent()) {
            throw new IllegalStateException("already prepared for inference in " + preparedPrecision.get()
                    + "; load the parameters into a new block");
        }
        for (Parameter parameter : getDirectParameters().values()) {
            if (!parameter.isInitialized()) {
                throw new IllegalStateException(
                        "parameter " + parameter.getName() + " has no values; initialise or load the block first");
            }
            checkValue(parameter, parameter.getArray());
            if (storage(parameter.getName()) != Storage.PARAMETER) {
                PackedWeights.checkRange(parameter.getName(), parameter.getArray(), precision);
            }
        }
        getChildren().values().forEach(child -> ((PreparableBlock) child).checkPreparable(precision));
    }

    /**
     * How the weights are stored for inference.
     *
     * @return the precision given to {@code prepareForInference}, or empty before it
     */
    public Optional<Precision> preparedPrecision() {
        return preparedPrecision;
    }

    /**
     * The packed weights.
     *
     * @return those of this block without its children; empty before {@code prepareForInference}
     */
    protected final Optional<PackedWeights> packed() {
        return Optional.ofNullable(packed);
    }

    /**
     * Refuses to do something after {@code prepareForInference}.
     *
     * @param verb what
     * @throws IllegalStateException if the block is prepared
     */
    protected final void checkNotPrepared(String verb) {
        if (preparedPrecision.isPresent()) {
            throw new IllegalStateException(
                    "cannot " + verb + ": this " + getClass().getSimpleName()
                            + " was prepared for inference in " + preparedPrecision.get()
                            + " and has no float32 parameters left; " + verb
                            + " before prepareForInference, or use a new block");
        }
    }

    @Override
    public boolean isInitialized() {
        return preparedPrecision.isPresent() || super.isInitialized();
    }

    /**
     * Gives every parameter that has no values yet its first ones.
     *
     * @throws IllegalArgumentException if the element type is not float32, or an input shape is missing or cannot be read
     * @throws IllegalStateException if the block is prepared for inference
     * @throws OutOfNativeMemoryException if the memory does not suffice; those that got values by this call have none again
     */
    @Override
    public void initialize(NDManager manager, DataType dataType, Shape... inputShapes) {
        checkNotPrepared("initialize");
        String name = getClass().getSimpleName();
        if (dataType != DataType.FLOAT32) {
            throw new IllegalArgumentException("the parameters of " + name + " are float32, cannot initialise them in "
                    + dataType + "; optPrecision of the builder sets the arithmetic of products");
        }
        if (inputShapes.length == 0) {
            throw new IllegalArgumentException(name + " is initialised with the shape of its input, got none");
        }
        List<Parameter> fresh = getParameters().values().stream()
                .filter(parameter -> !parameter.isInitialized())
                .toList();
        try {
            super.initialize(manager, dataType, inputShapes);
        } catch (EngineException e) {
            fresh.forEach(Parameter::close);
            throw OutOfNativeMemoryException.told(
                    e, () -> "the " + fresh.size() + " parameters of a " + name + " " + sizes(fresh));
        }
    }

    /** The largest one and all together. */
    private static String sizes(List<Parameter> parameters) {
        double bytes = 0;
        Parameter largest = parameters.get(0);
        for (Parameter parameter : parameters) {
            bytes += elements(parameter) * Float.BYTES;
            if (elements(parameter) > elements(largest)) {
                largest = parameter;
            }
        }
        return String.format(
                Locale.ROOT,
                "(%.2f GB together, the largest %s %s)",
                bytes / 1e9,
                largest.getName(),
                largest.getShape());
    }

    /** In double, which does not overflow. */
    private static double elements(Parameter parameter) {
        return LongStream.of(parameter.getShape().getShape()).asDoubleStream().reduce(1, (a, b) -> a * b);
    }

    @Override
    public void saveParameters(DataOutputStream os) throws IOException {
        checkNotPrepared("save");
        super.saveParameters(os);
    }

    @Override
    public void loadParameters(NDManager manager, DataInputStream is) throws IOException, MalformedModelException {
        checkNotPrepared("load");
        super.loadParameters(manager, is);
    }

    /** DJL reads the shapes but not the names, without which a loaded block could not be saved. */
    @Override
    protected void readInputShapes(DataInputStream is) throws IOException {
        super.readInputShapes(is);
        inputNames =
                IntStream.range(0, inputShapes.length).mapToObj(i -> "data" + i).toList();
    }

    @Override
    public void clear() {
        super.clear();
        packed().ifPresent(PackedWeights::close);
    }
}
