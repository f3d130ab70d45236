package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One layer of a decoder, with norms before its parts:
 *
 * <pre>
 *   h += self_attn(input_layernorm(h))
 *   h += mlp(post_attention_layernorm(h))
 * </pre>
 *
 * Input and output h are {@code [B, S, n]} float32. Inference and dense layers return {@code NDList(h)}; in training a MoE layer returns
 * {@code NDList(h, aux, load)} as {@link MoeBlock} has them, and {@code probabilities} too where the model pools the balancing loss. Results belong to the manager of the input. Another shape is an
 * {@link IllegalArgumentException}. Any number of threads may infer at once.
 */
public final class DecoderLayer extends LmBlock {

    private static final int ATTENTION = 0;
    private static final int FEED_FORWARD = 1;

    private final RmsNorm inputNorm;
    private final AttentionSpec attentionSpec;
    private final Attention attention;
    private final RmsNorm feedForwardNorm;
    private final Block feedForward;
    private volatile Dropout dropout = Dropout.NONE;

    /**
     * A layer of a model.
     *
     * @param model the model
     * @param index which of its layers, from 0
     * @param precision the arithmetic of the products
     * @throws IndexOutOfBoundsException if there is no such layer
     */
    public DecoderLayer(ModelSpec model, int index, Precision precision) {
        FeedForwardSpec spec = model.feedForwards().get(index);
        inputNorm = addChildBlock("input_layernorm", new RmsNorm(model.hiddenSize(), model.rmsNormEps()));
        attention = addChildBlock("self_attn", Attention.of(model, index, precision));
        attentionSpec = model.attention();
        feedForwardNorm =
                addChildBlock("post_attention_layernorm", new RmsNorm(model.hiddenSize(), model.rmsNormEps()));
        feedForward = addChildBlock("mlp", feedForward(spec, precision, model.initializerRange()));
    }

    private static Block feedForward(FeedForwardSpec spec, Precision precision, double initializerRange) {
        if (spec instanceof DenseSpec dense) {
            return new DenseFeedForward(dense, precision, initializerRange);
        }
        MoeSpec moe = (MoeSpec) spec;
        MoeBlock.Builder builder =
                MoeBlock.builder().setSpec(moe).optPrecision(precision).optInitializerRange(initializerRange);
        if (moe.router().auxLossScope() == AuxLossScope.MODEL) {
            builder.optPooledBalance();
        }
        return builder.build();
    }

    /**
     * The attention.
     *
     * @return {@code self_attn}, a {@link GroupedQueryAttention} or a {@link LatentAttention}
     */
    public Attention attention() {
        return attention;
    }

    /**
     * The feed-forward part.
     *
     * @return {@code mlp}, a {@link DenseFeedForward} or a {@link MoeBlock}
     */
    public Block feedForward() {
        return feedForward;
    }

    /**
     * The parameters by their canonical path inside the layer: {@code input_layernorm}, {@code self_attn.q_proj}, ...,
     * {@code post_attention_layernorm}, {@code mlp.gate_up}, ...; in the model they stand behind {@code layers.<index>.}
     *
     * @return each parameter once
     */
    public Map<String, Parameter> parametersByPath() {
        Map<String, Parameter> byPath = new LinkedHashMap<>();
        byPath.put("input_layernorm", inputNorm.weight());
        attention.getDirectParameters().forEach(p -> byPath.put("self_attn." + p.getKey(), p.getValue()));
        byPath.put("post_attention_layernorm", feedForwardNorm.weight());
        feedForward.getDirectParameters().forEach(p -> byPath.put("mlp." + p.getKey(), p.getValue()));
        return byPath;
    }

    /**
     * The first half of the layer by itself, as inference has it without a mask: {@code h + self_attn(input_layernorm(h))}. Builds no
     * autograd graph.
     *
     * @param parameterStore the parameter store
     * @param h {@code [B, S, n]} float32
     * @return {@code [B, S, n]} float32, owned by the manager of h
     * @throws IllegalArgumentException if h has another shape
     */
    public NDArray attend(ParameterStore parameterStore, NDArray h) {
        checkShape(h.getShape());
        int tokens = (int) h.getShape().get(1);
        try (NoGrad noGrad = new NoGrad();
                Positions positions = Positions.of(attentionSpec, h.getManager(), tokens, TorchArguments.absent(), 0)) {
            return attended(parameterStore, h, positions, KvCache.Layer.NONE, false);
        }
    }

    /**
     * What the feed-forward part reads: {@code post_attention_layernorm(h)}. Builds no autograd graph.
     *
     * @param parameterStore the parameter store
     * @param h {@code [..., n]} float32, after the attention
     * @return {@code [..., n]} float32, owned by the manager of h
     * @throws IllegalArgumentException if the last dimension is another
     */
    public NDArray feedForwardInput(ParameterStore parameterStore, NDArray h) {
        feedForwardNorm.checkShape(h.getShape());
        try (NoGrad noGrad = new NoGrad()) {
            return feedForwardNorm.apply(parameterStore, h, false);
        }
    }

    private NDArray attended(
            ParameterStore parameterStore, NDArray h, Positions positions, KvCache.Layer cache, boolean training) {
        try (NDArray x = inputNorm.apply(parameterStore, h, training);
                NDArray y = attention.apply(parameterStore, x, positions, cache, training)) {
            return add(h, y, ATTENTION, training);
        }
    }

    /** The forward pass, with or without a cache, under the gradient mode of the caller. {@code mask} is of the tokens, or absent. */
    NDList apply(
            ParameterStore parameterStore,
            NDArray h,
            Positions positions,
            NDArray mask,
            KvCache.Layer cache,
            boolean training) {
        // Read by the norm and by the residual connection.
        try (NDArray whole = attended(parameterStore, h, positions, cache, training);
                NDArray before = training ? GradientTape.cut(whole) : whole;
                NDArray x = feedForwardNorm.apply(parameterStore, before, training)) {
            NDList inputs = new NDList(x);
            if (!mask.isEmpty() && feedForward instanceof MoeBlock) {
                inputs.add(mask);
            }
            NDList outputs = feedForward.forward(parameterStore, inputs, training);
            try (NDArray y = outputs.head()) {
                outputs.set(0, add(before, y, FEED_FORWARD, training));
            }
            return outputs;
        }
    }

    private NDArray add(NDArray h, NDArray y, int place, boolean training) {
        if (!training || dropout.p() == 0) {
            return h.add(y);
        }
        try (NDArray dropped = dropout.apply(y, place)) {
            return h.add(dropped);
        }
    }

    void setDropout(Dropout dropout) {
        this.dropout = dropout;
    }

    @Override
    NDList compute(ParameterStore parameterStore, NDList inputs, boolean training) {
        NDArray h = inputs.singletonOrThrow();
        NDArray absent = TorchArguments.absent();
        int tokens = (int) h.getShape().get(1);
        try (Positions positions = Positions.of(attentionSpec, h.getManager(), tokens, absent, 0)) {
            return apply(parameterStore, h, positions, absent, KvCache.Layer.NONE, training);
        }
    }

    @Override
    void checkShape(Shape shape) {
        attention.checkShape(shape);
    }
}
