package ai.molae.djl.torch;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A block whose weights can be packed for inference, once and for good. Afterwards the block infers only: it can neither train nor be
 * saved nor loaded.
 */
public abstract class PreparableBlock extends AbstractBlock {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

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

    @Override
    public void initialize(NDManager manager, DataType dataType, Shape... inputShapes) {
        checkNotPrepared("initialize");
        super.initialize(manager, dataType, inputShapes);
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
