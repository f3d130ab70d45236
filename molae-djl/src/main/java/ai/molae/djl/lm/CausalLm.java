package ai.molae.djl.lm;

import ai.djl.Device;
import ai.djl.MalformedModelException;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.nn.UninitializedParameterException;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.BlockFile;
import ai.molae.djl.torch.Freezing;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.OutOfNativeMemoryException;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.ModelSpec;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A decoder-only language model as an ordinary DJL Block:
 *
 * <pre>
 *   h = embed_tokens[tokens];   h = layer(h) for every {@link DecoderLayer};   logits = W_head norm(h)
 * </pre>
 *
 * <table>
 * <caption>Arrays</caption>
 * <tr><th>input</th><td>tokens</td><td>{@code [B, S]} int64 or int32</td></tr>
 * <tr><th></th><td>mask</td><td>optional, {@code [B, S]} of any type. Equal numbers in a row mark the tokens of one document, which see each other
 * and nobody else, and whose positions begin at 0: each gets the logits it would get alone (a
 * document is usually in one piece; a window counts what stands between its tokens). 0 marks padding, which is seen by nobody, takes no
 * position and no expert's place and counts in no statistics; its own logits mean nothing</td></tr>
 * <tr><th rowspan="3">output</th><td>logits</td><td>{@code [B, S, V]} float32; those at position s are for the token at s + 1</td></tr>
 * <tr><td>aux</td><td>{@code []} float32, in training only: the sum of the auxiliary losses, of the layers or pooled ({@link
 * ai.molae.spec.AuxLossScope}), zero without MoE layers</td></tr>
 * <tr><td>load ...</td><td>{@code [N]} int64, in training only, one per MoE layer: tokens that chose each expert</td></tr>
 * </table>
 *
 * <p>Inference returns {@code NDList(logits)}, training {@code NDList(logits, aux, load of the first MoE layer, ...)};
 * {@link CausalLmLoss} is the loss of it. Results belong to the manager of the tokens. The block keeps no state of a call: any number of
 * threads may infer at once.
 *
 * <p>Parameters, by their path: {@code embed_tokens [V, n]} and, unless tied to it, {@code lm_head [V, n]}; per layer
 * {@code 01layers_01input_layernorm_weight}, {@code 01layers_02self_attn_q_proj}, ..., {@code 01layers_04mlp_gate_up}, ...; after L layers
 * the final norm's {@code <L+1>norm_weight}.
 *
 * <p>A wrong shape or element type, more than {@code maxPositionEmbeddings} tokens and a token id outside [0, V) are
 * {@link IllegalArgumentException}s with the numbers. The check of the ids is one reduction; on a GPU it waits for the device.
 */
public final class CausalLm extends LmBlock {

    private final ModelSpec spec;
    private final Precision precision;
    private final Parameter embedding;
    private final Parameter head;
    private final List<DecoderLayer> layers = new ArrayList<>();
    private final RmsNorm norm;
    private volatile int recompute;
    private volatile Dropout dropout = Dropout.NONE;
    private Optional<LoraSpec> lora = Optional.empty();

    private CausalLm(Builder builder) {
        spec = builder.spec.orElseThrow(() -> new IllegalArgumentException("a CausalLm needs a spec; use setSpec"));
        precision = builder.precision.checkTrainable();
        embedding = matrix("embed_tokens", spec.initializerRange(), spec.vocabSize(), spec.hiddenSize());
        // Registered once even when used twice: its gradient is the sum, and it is updated and saved once.
        head = spec.tieWordEmbeddings()
                ? embedding
                : matrix("lm_head", spec.initializerRange(), spec.vocabSize(), spec.hiddenSize());
        for (int i = 0; i < spec.numLayers(); i++) {
            layers.add(addChildBlock("layers", new DecoderLayer(spec, i, precision)));
        }
        norm = addChildBlock("norm", new RmsNorm(spec.hiddenSize(), spec.rmsNormEps()));
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
     * What the model is.
     *
     * @return the spec
     */
    public ModelSpec spec() {
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
     * The layers.
     *
     * @return the decoder layers, first layer first
     */
    public List<DecoderLayer> layers() {
        return List.copyOf(layers);
    }

    /**
     * Makes training keep less between the passes for one forward pass more (Chen et al., arXiv 1604.06174): segments of layers keep nothing
     * but what they read, {@code [B, S, n]}, and the backward pass runs each segment again. At its peak a step then holds the inputs of all
     * segments and the activations of one. Losses, loads and gradients stay the same, bit by bit. Training then needs a
     * {@link ai.molae.djl.torch.GradientTape}; inference is not concerned. May be changed at any time between two training passes.
     *
     * @param layersPerSegment 1 for the least memory, more for fewer inputs, 0 (at first) to keep everything
     * @throws IllegalArgumentException if it is negative
     */
    public void setRecompute(int layersPerSegment) {
        if (layersPerSegment < 0) {
            throw new IllegalArgumentException(
                    "layersPerSegment must be 0 (keep all activations) or more, got " + layersPerSegment);
        }
        recompute = layersPerSegment;
    }

    /**
     * How many layers are recomputed together.
     *
     * @return layers per segment, 0 if all activations are kept
     */
    public int recompute() {
        return recompute;
    }

    /**
     * Sets the dropout in training (at first none): elements of what attention and feed-forward part add to the residual stream are zeroed
     * with probability p, the others divided by 1 - p.
     *
     * @param p the probability, at least 0 and less than 1
     * @throws IllegalArgumentException if it is not
     */
    public void setDropout(double p) {
        if (!(p >= 0 && p < 1)) {
            throw new IllegalArgumentException("dropout must be at least 0 and less than 1, got " + p);
        }
        setDropout(new Dropout(p, dropout.seed()));
    }

    /**
     * Sets what the masks of dropout follow from until it is set again; equal seeds give equal masks. A trainer sets it before every pass.
     * A pass with dropout seeds the engine's generator.
     *
     * @param seed the seed
     */
    public void setDropoutSeed(long seed) {
        setDropout(new Dropout(dropout.p(), seed));
    }

    private void setDropout(Dropout dropout) {
        this.dropout = dropout;
        for (int i = 0; i < layers.size(); i++) {
            layers.get(i).setDropout(dropout.ofLayer(i));
        }
    }

    /**
     * The probability of dropout in training.
     *
     * @return 0 for none
     */
    public double dropout() {
        return dropout.p();
    }

    /**
     * The parameters by their canonical path, whatever DJL calls them: {@code embed_tokens}, {@code layers.0.input_layernorm},
     * {@code layers.0.self_attn.q_proj}, {@code layers.0.post_attention_layernorm}, {@code layers.0.mlp.gate_up}, ..., {@code norm} and,
     * unless tied, {@code lm_head}.
     *
     * @return each parameter once
     */
    public Map<String, Parameter> parametersByPath() {
        Map<String, Parameter> byPath = new LinkedHashMap<>();
        byPath.put(embedding.getName(), embedding);
        for (int i = 0; i < layers.size(); i++) {
            String prefix = "layers." + i + ".";
            layers.get(i).parametersByPath().forEach((path, parameter) -> byPath.put(prefix + path, parameter));
        }
        byPath.put("norm", norm.weight());
        byPath.putIfAbsent(head.getName(), head);
        return byPath;
    }

    /**
     * Where the model is.
     *
     * @return the device of its parameters, prepared for inference or not
     * @throws UninitializedParameterException if it has none yet
     * @throws IllegalStateException if they are freed
     */
    public Device device() {
        if (!norm.weight().isInitialized()) {
            throw new UninitializedParameterException("the model has no weights yet; initialize or load it first");
        }
        NDArray weight = norm.weight().getArray();
        if (weight.isReleased()) {
            throw new IllegalStateException(
                    "the weights of the model are freed: the manager that owned them was closed;"
                            + " keep that manager open for as long as the model is used");
        }
        return weight.getDevice();
    }

    /**
     * Adds low-rank adapters (LoRA, Hu et al., arXiv 2106.09685) and freezes everything else, so that training changes the adapters only and
     * has gradients and optimizer state for them alone. The logits stay as they are until the first step. Adapters are ordinary parameters
     * beside the ones they adapt, {@code ..._q_proj_lora_a} and {@code ..._q_proj_lora_b}, and belong to the managers of those.
     *
     * <p>With adapters the model trains and infers, with a cache too; to be saved or prepared for inference it needs {@link #mergeLora()}.
     * Not to be called while another thread uses the model or an optimizer of it is open.
     *
     * @param spec which weights, and the rank
     * @throws IllegalArgumentException if a target matches no weight of this model; it is then unchanged
     * @throws IllegalStateException if the model has adapters already, is not initialised or is prepared for inference
     */
    public void addLora(LoraSpec spec) {
        checkNotPrepared("add LoRA");
        if (numAdapters() > 0) {
            throw new IllegalStateException("the model has " + numAdapters()
                    + " adapters already; mergeLora() keeps and removeLora() forgets what they learned");
        }
        if (!isInitialized()) {
            throw new IllegalStateException("the model has no values; initialise or load it before addLora");
        }
        LoraPlan plan = new LoraPlan(this, spec);
        Freezing.train(this, parameter -> false);
        plan.addTo(spec);
        lora = Optional.of(spec);
    }

    /**
     * Adds the adapters to the weights, {@code W += (alpha / r) B A}, in float32 and in place, and removes them. The logits stay the same
     * up to rounding, and every parameter trains again.
     *
     * @throws IllegalStateException if there are no adapters
     */
    public void mergeLora() {
        checkHasLora("merge");
        mergeAdapters();
        lora = Optional.empty();
        Freezing.train(this, parameter -> true);
    }

    /**
     * Removes the adapters and what they learned; the model is as it was before {@link #addLora}, and every parameter trains again.
     *
     * @throws IllegalStateException if there are no adapters
     */
    public void removeLora() {
        checkHasLora("remove");
        removeAdapters();
        lora = Optional.empty();
        Freezing.train(this, parameter -> true);
    }

    /**
     * The adapters that the model has beside its weights.
     *
     * @return as they were added, or empty
     */
    public Optional<LoraSpec> lora() {
        return lora;
    }

    private void checkHasLora(String verb) {
        if (numAdapters() == 0) {
            throw new IllegalStateException("there are no adapters to " + verb
                    + "; addLora adds them, and mergeLora and removeLora have done their work after one call");
        }
    }

    /**
     * Reads tokens behind those already in a cache, adds them to it and predicts the next one: a whole prompt, a part of it or one
     * token at a time. The logits are those {@link #forward} has at the last position, up to rounding, unless experts have a capacity,
     * which depends on how many tokens come at once, or angles change with the length ({@link KvCache}). Builds no autograd graph.
     *
     * @param parameterStore the parameter store
     * @param tokens {@code [B, S]} int64 or int32
     * @param cache a cache of this model for B sequences, with room for S more positions; extended by S, or left alone on an error
     * @return logits {@code [B, V]} float32 of the last position, owned by the manager of the tokens
     * @throws IllegalArgumentException if the tokens are not valid or do not fit the cache; the message has the numbers
     * @throws IllegalStateException if the cache is closed
     */
    public NDArray decode(ParameterStore parameterStore, NDArray tokens, KvCache cache) {
        checkOpen(new NDList(tokens));
        Shape shape = tokens.getShape();
        checkShape(shape);
        checkType(tokens);
        cache.check(spec, shape);
        checkTokens(tokens);
        int count = (int) shape.get(1);
        NDArray visible = cache.visible(count);
        try (NoGrad noGrad = new NoGrad();
                Positions positions =
                        Positions.of(spec.attention(), tokens.getManager(), count, visible, cache.length())) {
            NDArray h = embed(parameterStore, tokens, false);
            for (int i = 0; i < layers.size(); i++) {
                try (NDArray before = h) {
                    h = layers.get(i)
                            .apply(parameterStore, before, positions, TorchArguments.absent(), cache.layer(i), false)
                            .head();
                }
            }
            try (NDArray all = h;
                    NDArray last = all.get(new NDIndex(":, -1"))) {
                NDArray logits = head(parameterStore, last, false);
                cache.advance(count);
                return logits;
            }
        } catch (EngineException e) {
            throw OutOfNativeMemoryException.told(e, () -> "a CausalLm that reads " + shape + " behind a cache");
        } finally {
            if (!visible.isEmpty()) {
                visible.close();
            }
        }
    }

    @Override
    NDList compute(ParameterStore parameterStore, NDList inputs, boolean training) {
        NDArray tokens = inputs.head();
        checkTokens(tokens);
        NDArray mask = mask(inputs);
        NDArray h = embed(parameterStore, tokens, training);
        LayerStatistics statistics = new LayerStatistics();
        h = new LayerStack(spec, layers, recompute).forward(parameterStore, h, mask, training, statistics);
        try (NDArray last = h) {
            NDList result = new NDList(head(parameterStore, last, training));
            if (training) {
                result.addAll(statistics.outputs(tokens, mask));
            }
            return result;
        }
    }

    private NDArray mask(NDList inputs) {
        if (inputs.size() == 1) {
            return TorchArguments.absent();
        }
        NDArray mask = inputs.get(1);
        if (inputs.size() > 2 || !mask.getShape().equals(inputs.get(0).getShape())) {
            throw new IllegalArgumentException(
                    "CausalLm reads tokens, or tokens and an attention mask of their shape, got " + inputs);
        }
        return mask;
    }

    private NDArray embed(ParameterStore parameterStore, NDArray tokens, boolean training) {
        return LmOps.embed(tokens, weights(parameterStore, tokens, training, precision));
    }

    private NDArray head(ParameterStore parameterStore, NDArray h, boolean training) {
        try (NDArray x = norm.apply(parameterStore, h, training)) {
            return LmOps.project(x, weights(parameterStore, x, training, precision), head.getName());
        }
    }

    @Override
    void checkType(NDArray tokens) {
        if (tokens.getDataType() != DataType.INT64 && tokens.getDataType() != DataType.INT32) {
            throw new IllegalArgumentException("CausalLm reads int64 or int32 token ids, got " + tokens.getDataType()
                    + " of shape " + tokens.getShape());
        }
        if (tokens.getShape().size() == 0) {
            throw new IllegalArgumentException("CausalLm reads at least one token, got shape " + tokens.getShape());
        }
    }

    private void checkTokens(NDArray tokens) {
        LmOps.checkTokens(tokens, spec.vocabSize());
    }

    @Override
    void checkShape(Shape shape) {
        if (shape.dimension() != 2) {
            throw new IllegalArgumentException("CausalLm reads tokens [B, S], got shape " + shape);
        }
        if (shape.get(1) > spec.maxPositionEmbeddings()) {
            throw new IllegalArgumentException("CausalLm reads at most maxPositionEmbeddings = "
                    + spec.maxPositionEmbeddings() + " tokens of a sequence, got shape " + shape);
        }
    }

    /** The embedding is looked up; the head, or the embedding in its place, is multiplied with. */
    @Override
    protected Storage storage(String parameter) {
        if (!parameter.equals(embedding.getName())) {
            return Storage.PACKED;
        }
        return head == embedding ? Storage.TABLE_AND_PACKED : Storage.TABLE;
    }

    @Override
    protected void initializeChildBlocks(NDManager manager, DataType dataType, Shape... inputShapes) {
        super.initializeChildBlocks(manager, dataType, inputShapes[0].add(spec.hiddenSize()));
    }

    /** Of the logits; training outputs have more arrays, aux {@code ()} and loads {@code (N)}. */
    @Override
    public Shape[] getOutputShapes(Shape[] inputShapes) {
        checkShape(inputShapes[0]);
        return new Shape[] {inputShapes[0].add(spec.vocabSize())};
    }

    @Override
    protected void saveMetadata(DataOutputStream os) throws IOException {
        saveInputShapes(os);
        BlockFile.writeSpec(os, spec);
    }

    @Override
    public void loadMetadata(byte loadVersion, DataInputStream is) throws IOException, MalformedModelException {
        super.loadMetadata(loadVersion, is);
        BlockFile.checkSpec(is, spec);
    }

    /** Builds a {@link CausalLm}. */
    public static final class Builder {
        private Optional<ModelSpec> spec = Optional.empty();
        private Precision precision = Precision.FLOAT32;

        private Builder() {}

        /**
         * Sets what the model is.
         *
         * @param spec the spec
         * @return this builder
         */
        public Builder setSpec(ModelSpec spec) {
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
         * Builds the block.
         *
         * @return the block
         * @throws IllegalArgumentException if no spec was set
         */
        public CausalLm build() {
            return new CausalLm(this);
        }
    }
}
