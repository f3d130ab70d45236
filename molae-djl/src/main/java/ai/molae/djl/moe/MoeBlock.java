package ai.molae.djl.moe;

import static ai.molae.djl.torch.TorchArguments.absent;

import ai.djl.MalformedModelException;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.initializer.NormalInitializer;
import ai.djl.util.PairList;
import ai.molae.djl.torch.AdaptableBlock;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.OutOfNativeMemoryException;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchOps;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
 * <tr><th></th><td>mask</td><td>optional, one number per token: those with 0 are padding, which counts neither in
 * aux nor in load and takes no place where experts have a capacity (there it visits none)</td></tr>
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
 * <p>A wrong last dimension or element type of x is an {@link IllegalArgumentException} with the actual shape. A token that is NaN or infinite, or
 * whose logits are, gives NaN; in inference the other tokens of the batch are not touched by it, except that it takes a place where experts have a
 * capacity.
 */
public final class MoeBlock extends AdaptableBlock {

    private static final byte VERSION = 1;

    private static final Set<String> NOT_PACKED = Set.of("router", "e_score_correction_bias", "shared_gate");

    private final MoeSpec spec;
    private final Precision precision;
    private final RouterOps.Statistics statistics;
    private final boolean recompute;
    private final MoeOps.Layer layer;

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
        statistics = builder.statistics;
        recompute = builder.recompute;
        layer = new MoeOps.Layer(spec, MoeOps.Groups.of(spec), precision);
        for (ParameterShape parameter : spec.parameters()) {
            declare(parameter(parameter, builder.initializerRange));
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
        return statistics != RouterOps.Statistics.NONE;
    }

    /** All matrices but the router and the shared expert's gate. */
    @Override
    public List<String> adaptable() {
        return spec.parameters().stream()
                .map(ParameterShape::name)
                .filter(name -> !NOT_PACKED.contains(name))
                .toList();
    }

    /** The router is float32 whatever the precision, and a shared expert's gate is one row. */
    @Override
    protected Storage storage(String parameter) {
        return NOT_PACKED.contains(parameter) ? Storage.PARAMETER : Storage.PACKED;
    }

    @Override
    protected TorchOps operations() {
        return MoeOps.OPS;
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore parameterStore, NDList inputs, boolean training, @Nullable PairList<String, Object> params) {
        if (inputs.isEmpty() || inputs.size() > 2) {
            throw new IllegalArgumentException("MoeBlock reads x, or x and a mask of its tokens, got " + inputs);
        }
        checkOpen(inputs);
        NDArray x = inputs.get(0);
        checkInput(x);
        NDArray mask = inputs.size() == 2 ? inputs.get(1) : absent();
        if (inputs.size() == 2 && mask.size() * spec.hiddenSize() != x.size()) {
            throw new IllegalArgumentException("the mask has one element per token; x has shape " + x.getShape()
                    + ", the mask " + mask.getShape());
        }
        try {
            if (training) {
                checkNotPrepared("train");
                return forward(parameterStore, x, mask, true);
            }
            try (NoGrad noGrad = new NoGrad()) {
                return forward(parameterStore, x, mask, false);
            }
        } catch (EngineException e) {
            throw OutOfNativeMemoryException.told(e, () -> "a MoeBlock that reads " + x.getShape());
        }
    }

    private NDList forward(ParameterStore parameterStore, NDArray x, NDArray mask, boolean training) {
        packed().ifPresent(weights -> weights.check(MoeBlock.class, x));
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        getDirectParameters().forEach(entry -> {
            if (packed().isEmpty() || storage(entry.getKey()) == Storage.PARAMETER) {
                parameters.put(entry.getKey(), value(parameterStore, entry.getValue(), x.getDevice(), training));
            }
        });
        putScale(parameters);
        Shape shape = x.getShape();
        long sequenceLength = shape.dimension() > 1 ? shape.get(shape.dimension() - 2) : 1;
        try (NDArray xTn = x.reshape(-1, spec.hiddenSize())) {
            NDList result = forward(new MoeOps.Tokens(xTn, mask, sequenceLength), parameters, training);
            NDArray y = result.get(0);
            result.set(0, y.reshape(shape));
            y.close();
            return result;
        }
    }

    private NDList forward(MoeOps.Tokens tokens, Map<String, NDArray> parameters, boolean training) {
        NDArray x = tokens.x();
        Account account = training ? RouterMonitor.account(this, statistics) : Account.NOTHING;
        if (!training) {
            LoadRecorder.current().ifPresent(recorder -> recorder.record(this, tokens, parameters));
        }
        if (packed().isPresent()) {
            return PreparedExperts.forward(layer, packed().get(), tokens, parameters);
        }
        if (training && GradientTape.current().isPresent() && JniUtils.isGradMode()) {
            if (MoeOps.adaptsExperts(parameters)) {
                return AdaptedMoe.onTape(layer, tokens, parameters, account, recompute);
            }
            long gemm = Gemm.training(precision, x.getDevice());
            TapedMoe taped = new TapedMoe(layer, gemm, tokens, parameters, account, recompute);
            return GradientTape.current().get().record(x, taped::forward);
        }
        if (training && recompute) {
            throw new IllegalStateException(
                    "this MoeBlock recomputes its activations, which needs a GradientTape in the place of"
                            + " DJL's GradientCollector; open one, or build with optRecompute(false)");
        }
        return MoeOps.forward(layer, tokens, parameters, account);
    }

    private void checkInput(NDArray x) {
        Shape shape = x.getShape();
        checkShape(shape);
        if (x.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException("MoeBlock reads float32, got " + x.getDataType() + " of shape " + shape
                    + "; products run in the precision given to the builder");
        }
        if (shape.size() / spec.hiddenSize() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("MoeBlock reads at most " + Integer.MAX_VALUE
                    + " tokens at once, got shape " + shape + "; pass them in parts");
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
        Map<String, Shape> expected = BlockFile.shapes(this);
        super.loadParameters(manager, is);
        BlockFile.checkShapes(this, expected);
    }

    /**
     * The load-balancing loss of several layers of N experts together, as Hugging Face computes it ({@link
     * ai.molae.spec.AuxLossScope#MODEL}):
     *
     * <pre>
     *   coefficient · N Σ_i f_i P_i     f_i = load of expert i over all layers / (layers · tokens),  P_i alike of the probabilities
     * </pre>
     *
     * @param probabilities {@code [N]} of each layer, as blocks with {@link Builder#optPooledBalance} return them
     * @param loads {@code [N]} of each layer
     * @param tokens {@code []}, how many tokens were counted
     * @param coefficient the factor of the loss
     * @return {@code []} float32, owned by the manager of the first probabilities
     */
    public static NDArray pooledBalance(NDList probabilities, NDList loads, NDArray tokens, double coefficient) {
        return RouterOps.pooledBalance(probabilities, loads, tokens, coefficient);
    }

    /** Builds a {@link MoeBlock}. */
    public static final class Builder {
        private Optional<MoeSpec> spec = Optional.empty();
        private Precision precision = Precision.FLOAT32;
        private float initializerRange = 0.02f;
        private RouterOps.Statistics statistics = RouterOps.Statistics.AUX;
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
            statistics = auxOutput ? RouterOps.Statistics.AUX : RouterOps.Statistics.NONE;
            return this;
        }

        /**
         * For models that balance their layers together, see {@link #pooledBalance}: training returns {@code NDList(y, aux, load,
         * probabilities)}, where aux lacks the balancing loss and probabilities {@code [N]} are the router's, summed over the tokens.
         *
         * @return this builder
         */
        public Builder optPooledBalance() {
            statistics = RouterOps.Statistics.POOLED;
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
