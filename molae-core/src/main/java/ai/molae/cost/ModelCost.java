package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The cost of a language model: its MoE layers by {@link LayerCost}, its attention, dense feed-forward networks, norms,
 * embedding and head. Expectations are under {@link UniformRouting}.
 */
public final class ModelCost {

    private final ModelSpec spec;
    private final AttentionCost attention;
    private final List<LayerCost> moeLayers;
    private final Map<ModelPart, Long> parameters;
    private final long correctionBiases;

    ModelCost(ModelSpec spec) {
        this.spec = spec;
        attention = AttentionCost.of(spec.attention(), spec.hiddenSize());
        List<LayerCost> layers = new ArrayList<>();
        Map<ModelPart, Long> counts = new EnumMap<>(ModelPart.class);
        for (ModelPart part : ModelPart.values()) {
            counts.put(part, 0L);
        }
        for (FeedForwardSpec feedForward : spec.feedForwards()) {
            if (feedForward instanceof MoeSpec moe) {
                LayerCost layer = new LayerCost(moe);
                layers.add(layer);
                add(counts, ModelPart.ROUTER, layer.parameters(LayerPart.ROUTER));
                add(counts, ModelPart.ROUTED_EXPERTS, layer.routedExpertParameters());
                add(counts, ModelPart.SHARED_EXPERTS, layer.parameters(LayerPart.SHARED));
            } else if (feedForward instanceof DenseSpec dense) {
                long matrices = dense.gated() ? 3 : 2;
                add(
                        counts,
                        ModelPart.DENSE_FEED_FORWARD,
                        Checks.product(matrices, dense.hiddenSize(), dense.intermediateSize()));
            }
        }
        add(counts, ModelPart.EMBEDDING, tableSize());
        add(counts, ModelPart.ATTENTION, Checks.product(spec.numLayers(), attention.parameters()));
        add(counts, ModelPart.NORMS, Checks.product(2L * spec.numLayers() + 1, spec.hiddenSize()));
        add(counts, ModelPart.HEAD, spec.tieWordEmbeddings() ? 0 : tableSize());
        moeLayers = List.copyOf(layers);
        parameters = Collections.unmodifiableMap(counts);
        correctionBiases = moeLayers.stream()
                .mapToLong(layer -> layer.parameters() - layer.trainableParameters())
                .sum();
    }

    private static void add(Map<ModelPart, Long> counts, ModelPart part, long count) {
        counts.merge(part, count, Math::addExact);
    }

    private long tableSize() {
        return Checks.product(spec.vocabSize(), spec.hiddenSize());
    }

    /**
     * The model this is the cost of.
     *
     * @return its spec
     */
    public ModelSpec spec() {
        return spec;
    }

    /**
     * The costs of the MoE layers, first layer first; dense layers have none.
     *
     * @return one cost per MoE layer
     */
    public List<LayerCost> moeLayers() {
        return moeLayers;
    }

    /**
     * Every number in the model's checkpoint, correction biases included.
     *
     * @return the number of parameters
     */
    public long parameters() {
        return parameters.values().stream().reduce(0L, Math::addExact);
    }

    /**
     * The parameters of one part.
     *
     * @param part the part
     * @return their number; 0 for a part the model does not have
     */
    public long parameters(ModelPart part) {
        return parametersByPart().getOrDefault(part, 0L);
    }

    /**
     * The parameters of every part, in the order of {@link ModelPart}.
     *
     * @return part to number, unmodifiable
     */
    public Map<ModelPart, Long> parametersByPart() {
        return parameters;
    }

    /**
     * The parameters that receive gradients: all but the routers' correction biases.
     *
     * @return their number
     */
    public long trainableParameters() {
        return parameters() - correctionBiases;
    }

    /**
     * The parameters that take part in the computation of one token, as model cards count them: everything but the
     * experts and projections that a token does not use; embedding and head count whole.
     *
     * @return their expected number
     */
    public double activeParameters() {
        double routed = 0;
        for (LayerCost layer : moeLayers) {
            routed += activeRouted(layer);
        }
        return parameters() - parameters(ModelPart.ROUTED_EXPERTS) + routed;
    }

    /**
     * The routed experts' share of all parameters, latent projections included.
     *
     * @return between 0 and 1
     */
    public double routedExpertShare() {
        return (double) parameters(ModelPart.ROUTED_EXPERTS) / parameters();
    }

    /**
     * FLOPs of one token's forward pass that attends {@code context} positions, itself among them.
     *
     * <pre>
     *   2 FLOPs per weight in a matrix product
     *   2·context·heads·(d_qk + d_v) per layer for q·k and p·v, so 2·2·context·heads·headDim with equal widths
     *   2·V·n for the head; the embedding is a lookup, 0
     * </pre>
     *
     * Latent attention (DeepSeek) is taken in its training form, keys and values expanded per head.
     *
     * @param context attended positions
     * @return expected FLOPs
     * @throws IllegalArgumentException if {@code context} is not positive
     */
    public double forwardFlops(long context) {
        return sum(forwardFlopsByPart(context));
    }

    /**
     * {@link #forwardFlops} by part.
     *
     * @param context attended positions
     * @return part to expected FLOPs, in the order of {@link ModelPart}
     * @throws IllegalArgumentException if {@code context} is not positive
     */
    public Map<ModelPart, Double> forwardFlopsByPart(long context) {
        Checks.positive("context", context);
        return flops((double) context);
    }

    /**
     * FLOPs of training per token of a sequence: forward and backward (2 × forward), every token attending itself and
     * those before it, so (S + 1)/2 positions on average. Recomputation would add one more forward pass.
     *
     * @param sequence S, tokens in a sequence
     * @return {@code 3 ×} the forward FLOPs of the average token
     * @throws IllegalArgumentException if {@code sequence} is not positive
     */
    public double trainingFlops(long sequence) {
        Checks.positive("sequence", sequence);
        return 3 * sum(flops((sequence + 1) / 2.0));
    }

    private Map<ModelPart, Double> flops(double context) {
        Map<ModelPart, Double> flops = new EnumMap<>(ModelPart.class);
        for (ModelPart part : ModelPart.values()) {
            flops.put(part, 0.0);
        }
        for (LayerCost layer : moeLayers) {
            flops.merge(ModelPart.ROUTER, layer.forwardFlops(LayerPart.ROUTER), Double::sum);
            flops.merge(ModelPart.ROUTED_EXPERTS, 2 * activeRouted(layer), Double::sum);
            flops.merge(ModelPart.SHARED_EXPERTS, layer.forwardFlops(LayerPart.SHARED), Double::sum);
        }
        flops.put(ModelPart.ATTENTION, spec.numLayers() * attention.forwardFlops(context));
        flops.put(ModelPart.DENSE_FEED_FORWARD, 2.0 * parameters(ModelPart.DENSE_FEED_FORWARD));
        flops.put(ModelPart.HEAD, 2.0 * tableSize());
        return Collections.unmodifiableMap(flops);
    }

    /**
     * Memory of the weights; correction biases are float32 whatever the format of the rest.
     *
     * @param weights the format of the weights
     * @return bytes
     * @throws IllegalArgumentException if {@code weights} is INT64
     */
    public long weightBytes(ElementType weights) {
        ElementType.checkWeights(weights);
        return Math.addExact(
                Math.multiplyExact(trainableParameters(), weights.bytes()),
                correctionBiases * ElementType.FLOAT32.bytes());
    }

    /**
     * What stays in memory between forward and backward, tensor by tensor: of every layer its input, the two norms'
     * inputs, what attention needs (a fused kernel that keeps no {@code [S, S]} scores) and what the feed-forward part
     * needs ({@link LayerCost#activations}); of the head the logits in float32. With RECOMPUTE only the layers' inputs,
     * and the tensors of the largest layer, which exist while it is recomputed.
     *
     * @param batch sequences
     * @param sequence tokens in each
     * @param type the format of activations
     * @param policy which of them to keep
     * @return the tensors, named {@code layers.0.attention.q} and so on
     * @throws IllegalArgumentException if a size is not positive or {@code type} is not a floating-point format
     */
    public List<ActivationTensor> activations(long batch, long sequence, ElementType type, ActivationPolicy policy) {
        Checks.positive("batch", batch);
        Checks.positive("sequence", sequence);
        return new ModelActivations(spec, attention, Checks.product(batch, sequence), type).list(policy);
    }

    /**
     * Memory of a training step.
     *
     * @param weights the format of weights and gradients
     * @param activations the format of activations
     * @param batch sequences
     * @param sequence tokens in each
     * @param policy which activations to keep
     * @return bytes by purpose
     * @throws IllegalArgumentException if a size is not positive or a format is not floating-point
     */
    public TrainingBytes trainingBytes(
            ElementType weights, ElementType activations, long batch, long sequence, ActivationPolicy policy) {
        return new TrainingBytes(
                weightBytes(weights),
                TrainingBytes.gradients(trainableParameters(), weights),
                TrainingBytes.optimizer(trainableParameters(), weights),
                ActivationTensor.bytes(activations(batch, sequence, activations, policy)));
    }

    /**
     * Memory of a training step where it is highest, as molae trains: float32 parameters and gradients, experts with a backward pass of
     * their own (distinct latents and the products of gate and up are kept), everything else by autograd, which keeps inputs of products and of
     * norms, casts included. With recomputation the inputs of all segments are kept and the activations of the largest one at a time. Highest is
     * the loss, with four copies of the logits ({@code [B, S, V]}: logits, their logarithms and the gradients of both; three with a teacher), the head's backward
     * pass, or the backward pass of a layer. An expectation under {@link UniformRouting}; the formats of other libraries differ, see
     * {@link #trainingBytes}.
     *
     * @param settings how the model is trained
     * @return bytes by purpose
     */
    public StepBytes stepBytes(StepSettings settings) {
        return new StepCost(this, settings).bytes();
    }

    /**
     * Memory of one token in the key/value cache: keys and values of every layer, {@code 2·kvHeads·headDim} elements
     * each, or DeepSeek's {@code kv_lora_rank + qk_rope_head_dim}.
     *
     * @param cache the format of the cache
     * @return bytes
     */
    public long kvCacheBytesPerToken(ElementType cache) {
        ElementType.checkWeights(cache);
        return Checks.product(spec.numLayers(), attention.cacheElements(), cache.bytes());
    }

    /**
     * Bytes read by one decoding step, which makes one token for every sequence of the batch.
     *
     * @param weights the format of the weights
     * @param cache the format of the key/value cache
     * @param batch sequences decoded together
     * @param context positions each of them has in the cache
     * @return expected bytes
     * @throws IllegalArgumentException if {@code batch} is not positive or {@code context} negative, or a format is
     *     INT64
     */
    public DecodeBytes decodeBytes(ElementType weights, ElementType cache, long batch, long context) {
        ElementType.checkWeights(weights);
        Checks.positive("batch", batch);
        Checks.check(context >= 0, "context must be at least 0, got %d", context);
        long dense = Math.addExact(
                Math.addExact(parameters(ModelPart.ATTENTION), parameters(ModelPart.NORMS)),
                Math.addExact(parameters(ModelPart.DENSE_FEED_FORWARD), tableSize()));
        double embeddingRows = (double) batch * spec.hiddenSize();
        double weightBytes = (dense + embeddingRows) * weights.bytes();
        for (LayerCost layer : moeLayers) {
            weightBytes += layer.decodeBytes(weights, batch);
        }
        return new DecodeBytes(weightBytes, (double) batch * context * kvCacheBytesPerToken(cache));
    }

    @Override
    public String toString() {
        return "ModelCost[parameters=" + parameters + "]";
    }

    private static double activeRouted(LayerCost layer) {
        return layer.activeParameters(LayerPart.GATE)
                + layer.activeParameters(LayerPart.UP)
                + layer.activeParameters(LayerPart.DOWN);
    }

    private static double sum(Map<ModelPart, Double> values) {
        return values.values().stream().mapToDouble(Double::doubleValue).sum();
    }
}
