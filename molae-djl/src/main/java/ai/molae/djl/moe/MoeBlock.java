package ai.molae.djl.moe;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.initializer.NormalInitializer;
import ai.djl.util.PairList;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A Mixture-of-Experts layer, standard or MoLAE (Liu et al., arXiv 2503.23100), as an ordinary DJL Block:
 *
 * <pre>
 *   y = Σ_{i chosen} p_i(x) E_i(x)  +  shared(x)       E_i(x) = W_down^i ( σ(W_gate^i x) ⊙ W_up^i x )
 * </pre>
 *
 * with any operator factored as {@link ai.molae.spec.LatentSpec} says.
 *
 * <table>
 * <caption>Arrays</caption>
 * <tr><th>input</th><td>x</td><td>{@code [..., n]} float32; leading dimensions are flattened to T tokens, T = 0 included</td></tr>
 * <tr><th rowspan="3">output</th><td>y</td><td>{@code [..., n]} float32</td></tr>
 * <tr><td>aux</td><td>{@code []} float32, in training only: {@code auxLossCoef · balance + zLossCoef · z}; add it to the loss</td></tr>
 * <tr><td>load</td><td>{@code [N]} int64, in training only: tokens that chose each expert, before capacity</td></tr>
 * </table>
 *
 * <p>Inference returns {@code NDList(y)}, training {@code NDList(y, aux, load)}. Results belong to the manager of x. Inside a chain of
 * blocks use {@link AuxSequentialBlock}, or {@link Builder#optAuxOutput(boolean) optAuxOutput(false)} to have y alone. Parameters are
 * those of {@link MoeSpec#parameters()}, one array per operator with the experts stacked. The block keeps no state of a call: any
 * number of threads may infer at once.
 *
 * <p>A wrong last dimension or element type of x is an {@link IllegalArgumentException} with the actual shape.
 */
public final class MoeBlock extends AbstractBlock {

    private static final byte VERSION = 1;

    private final MoeSpec spec;
    private final Precision precision;
    private final boolean auxOutput;
    private final boolean recompute;
    private final MoeOps.Layer layer;
    private volatile @Nullable PreparedExperts prepared;

    /**
     * A float32 layer.
     *
     * @param spec what the layer is
     */
    public MoeBlock(MoeSpec spec) {
        this(builder().setSpec(spec));
    }

    private MoeBlock(Builder builder) {
        super(VERSION);
        spec = builder.spec.orElseThrow(() -> new IllegalArgumentException("a MoeBlock needs a spec; use setSpec"));
        precision = builder.precision.checkTrainable();
        auxOutput = builder.auxOutput;
        recompute = builder.recompute;
        layer = new MoeOps.Layer(spec, MoeOps.Groups.of(spec), precision);
        for (ParameterShape parameter : spec.parameters()) {
            addParameter(parameter(parameter, builder.initializerRange));
        }
    }

    private Parameter parameter(ParameterShape parameter, float initializerRange) {
        Parameter.Builder builder = Parameter.builder()
                .setName(parameter.name())
                .optShape(new Shape(
                        parameter.shape().stream().mapToLong(Integer::longValue).toArray()));
        if (parameter.name().equals("e_score_correction_bias")) {
            // Of DJL's types only the running statistics stay untrained when a trainer takes over a loaded model.
            return builder.setType(Parameter.Type.RUNNING_MEAN)
                    .optInitializer(Initializer.ZEROS)
                    .optRequiresGrad(false)
                    .build();
        }
        return builder.setType(Parameter.Type.WEIGHT)
                .optInitializer(new NormalInitializer(initialStandardDeviation(parameter, initializerRange)))
                .build();
    }

    /**
     * So that every expert matrix starts with standard deviation σ, factored or not: a product W = A B with inner width r has
     * {@code std(W) = √r · std(A) · std(B)}. Projections that read a token keep its scale, {@code std(B) = 1/√n}; the other factor takes
     * the rest. In {@code W_down = B A} the inner factor A keeps the scale of h, {@code std(A) = 1/√m}.
     */
    private float initialStandardDeviation(ParameterShape parameter, float sigma) {
        int reads = parameter.shape().get(parameter.shape().size() - 1);
        boolean latentIn = spec.latentInSize() > 0;
        return switch (parameter.name()) {
            case "latent_in" -> (float) (1 / Math.sqrt(reads));
            case "gate_up", "gate", "up" -> latentIn && readsLatent(parameter.name())
                    ? (float) (sigma * Math.sqrt((double) spec.hiddenSize() / reads))
                    : sigma;
            case "down" -> spec.isFactored(ExpertOperator.DOWN) ? (float) (1 / Math.sqrt(reads)) : sigma;
            case "latent_out" -> (float) (sigma * Math.sqrt((double) spec.intermediateSize() / reads));
            default -> sigma;
        };
    }

    private boolean readsLatent(String parameter) {
        return spec.isFactored(parameter.equals("gate") ? ExpertOperator.GATE : ExpertOperator.UP);
    }

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * What the layer is.
     *
     * @return the spec
     */
    public MoeSpec spec() {
        return spec;
    }

    /**
     * The arithmetic of the products.
     *
     * @return the precision
     */
    public Precision precision() {
        return precision;
    }

    /**
     * Whether training returns the auxiliary loss and the load beside y.
     *
     * @return false for y alone
     */
    public boolean auxOutput() {
        return auxOutput;
    }

    /**
     * Packs the weights for inference, once and for good: in {@code precision}, in the layout that multiplies fastest here ({@link Gemm}), and
     * frees the float32 parameters of the experts. Afterwards the block infers only; it can neither train nor be saved. The packed
     * weights belong to the manager that owned the parameters. Without a capacity factor, a token's results do not depend on the other tokens of its batch
     * beyond rounding. Not to be called while another thread uses the block.
     *
     * <p>Errors against float32, of the largest output, are of the order of 1e-2 in bfloat16 and int8 and 1e-3 in float16; bytes per weight 4, 2, 2
     * and 1 (int8: and a scale per channel). While it packs, native memory holds this layer twice.
     *
     * @param precision how to store the weights
     * @throws IllegalStateException if the block is not initialised, or already prepared
     * @throws IllegalArgumentException for float16 and int8, if a weight is not finite or too large; the block is then as before
     */
    public void prepareForInference(Precision precision) {
        checkPreparable(precision);
        prepared = PreparedExperts.pack(layer, getDirectParameters(), precision);
        NativeMemory.trim();
    }

    /**
     * Refuses what {@link #prepareForInference} would refuse, and changes nothing; for those who prepare several blocks and want all or none.
     *
     * @param precision how to store the weights
     * @throws IllegalStateException if the block is already prepared
     * @throws IllegalArgumentException for float16 and int8, if a weight is not finite or too large
     */
    public void checkPreparable(Precision precision) {
        if (prepared != null) {
            throw new IllegalStateException("already prepared for inference in " + prepared.precision()
                    + "; load the parameters into a new block");
        }
        PreparedExperts.checkRange(getDirectParameters(), precision);
    }

    /**
     * How the weights are stored for inference.
     *
     * @return the precision given to {@link #prepareForInference}, or empty before it
     */
    public Optional<Precision> preparedPrecision() {
        PreparedExperts experts = prepared;
        return experts == null ? Optional.empty() : Optional.of(experts.precision());
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore, NDList inputs, boolean training, @Nullable PairList<String, Object> params) {
        NDArray x = inputs.singletonOrThrow();
        checkInput(x);
        if (training) {
            checkNotPrepared("train");
            return forward(parameterStore, x, true);
        }
        try (NoGrad noGrad = new NoGrad()) {
            return forward(parameterStore, x, false);
        }
    }

    private NDList forward(ParameterStore parameterStore, NDArray x, boolean training) {
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        PreparedExperts packed = prepared;
        if (packed != null) {
            packed.check(x);
        }
        getDirectParameters().forEach(entry -> {
            if (packed == null || !PreparedExperts.isPacked(entry.getKey())) {
                parameters.put(entry.getKey(), parameterStore.getValue(entry.getValue(), x.getDevice(), training));
            }
        });
        boolean withAux = training && auxOutput;
        try (NDArray xTn = x.reshape(-1, spec.hiddenSize())) {
            NDList result;
            if (packed != null) {
                result = packed.forward(xTn, parameters);
            } else if (training && GradientTape.current().isPresent() && JniUtils.isGradMode()) {
                TapedMoe taped =
                        new TapedMoe(layer, Gemm.training(precision, x.getDevice()), parameters, withAux, recompute);
                result = GradientTape.current().get().record(xTn, taped::forward);
            } else if (training && recompute) {
                throw new IllegalStateException(
                        "this MoeBlock recomputes its activations, which needs a GradientTape in the place of"
                                + " DJL's GradientCollector; open one, or build with optRecompute(false)");
            } else {
                result = MoeOps.forward(layer, xTn, parameters, withAux);
            }
            NDArray y = result.get(0);
            result.set(0, y.reshape(x.getShape()));
            y.close();
            return result;
        }
    }

    private void checkInput(NDArray x) {
        Shape shape = x.getShape();
        checkShape(shape);
        if (x.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException("MoeBlock reads float32, got " + x.getDataType() + " of shape " + shape
                    + "; products run in the precision given to the builder");
        }
    }

    private void checkShape(Shape shape) {
        if (shape.dimension() < 1 || shape.get(shape.dimension() - 1) != spec.hiddenSize()) {
            throw new IllegalArgumentException(
                    "MoeBlock reads [..., hiddenSize = " + spec.hiddenSize() + "], got " + shape);
        }
    }

    @Override
    protected void prepare(Shape[] inputShapes) {
        checkShape(inputShapes[0]);
    }

    /** Training outputs have two more arrays, aux {@code ()} and load {@code (N)}. */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        return new Shape[] {inputShapes[0]};
    }

    private void checkNotPrepared(String verb) {
        if (prepared != null) {
            throw new IllegalStateException("cannot " + verb + ": this MoeBlock was prepared for inference in "
                    + prepared.precision() + " and has no float32 parameters left; " + verb
                    + " before prepareForInference, or use a new block");
        }
    }

    @Override
    public boolean isInitialized() {
        return prepared != null || super.isInitialized();
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
    public void clear() {
        super.clear();
        if (prepared != null) {
            prepared.close();
        }
    }

    @Override
    protected void saveMetadata(DataOutputStream os) throws IOException {
        saveInputShapes(os);
        BlockFile.writeSpec(os, spec);
    }

    @Override
    public void loadMetadata(byte loadVersion, DataInputStream is) throws IOException, MalformedModelException {
        if (loadVersion != VERSION) {
            throw new MalformedModelException(
                    "MoeBlock reads version " + VERSION + " of its parameters, the file has version " + loadVersion);
        }
        readInputShapes(is);
        BlockFile.checkSpec(is, spec);
    }

    @Override
    public void loadParameters(NDManager manager, DataInputStream is) throws IOException, MalformedModelException {
        checkNotPrepared("load");
        Map<String, Shape> expected = BlockFile.shapes(this);
        super.loadParameters(manager, is);
        BlockFile.checkShapes(this, expected);
    }

    /** Builds a {@link MoeBlock}. */
    public static final class Builder {
        private Optional<MoeSpec> spec = Optional.empty();
        private Precision precision = Precision.FLOAT32;
        private float initializerRange = 0.02f;
        private boolean auxOutput = true;
        private boolean recompute;

        private Builder() {}

        /**
         * Sets what the layer is.
         *
         * @param spec the spec
         * @return this builder
         */
        public Builder setSpec(MoeSpec spec) {
            this.spec = Optional.of(spec);
            return this;
        }

        /**
         * Sets the arithmetic of the products (default float32).
         *
         * @param precision the precision
         * @return this builder
         */
        public Builder optPrecision(Precision precision) {
            this.precision = precision;
            return this;
        }

        /**
         * Sets the standard deviation that every expert matrix starts with, factored or not (default 0.02).
         *
         * @param initializerRange {@code initializer_range}
         * @return this builder
         */
        public Builder optInitializerRange(double initializerRange) {
            this.initializerRange = (float) initializerRange;
            return this;
        }

        /**
         * Sets whether training returns the auxiliary loss and the load beside y (default true).
         *
         * @param auxOutput false for y alone
         * @return this builder
         */
        public Builder optAuxOutput(boolean auxOutput) {
            this.auxOutput = auxOutput;
            return this;
        }

        /**
         * Sets whether training keeps only the layer's input and computes its activations again in the backward pass (Chen et al., arXiv
         * 1604.06174): less memory between the passes for more time, and gradients equal bit by bit. Training then needs a {@link GradientTape}
         * (default false).
         *
         * @param recompute true to compute twice
         * @return this builder
         */
        public Builder optRecompute(boolean recompute) {
            this.recompute = recompute;
            return this;
        }

        /**
         * Builds the block.
         *
         * @return the block
         * @throws IllegalArgumentException if no spec was set
         */
        public MoeBlock build() {
            return new MoeBlock(this);
        }
    }
}
