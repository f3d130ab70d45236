package ai.molae.cli.plan;

import ai.molae.cost.ActivationPolicy;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.cost.LayerPart;
import ai.molae.cost.ModelCost;
import ai.molae.cost.ModelPart;
import ai.molae.cost.TrainingBytes;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.List;
import java.util.Optional;

/** One column of a plan: equal MoE layers, alone or in a model; quantities are of all of it. */
final class Side {

    private final LayerCost layer;
    private final int layers;
    private final Optional<ModelCost> model;

    private Side(LayerCost layer, int layers, Optional<ModelCost> model) {
        this.layer = layer;
        this.layers = layers;
        this.model = model;
    }

    static Side ofLayers(MoeSpec spec, int layers) {
        return new Side(CostModel.layer(spec), layers, Optional.empty());
    }

    static Side ofModel(ModelSpec spec) {
        List<FeedForwardSpec> moe =
                spec.feedForwards().stream().filter(MoeSpec.class::isInstance).toList();
        if (moe.stream().distinct().count() != 1) {
            throw new IllegalArgumentException("a plan needs a model whose MoE layers are all alike; it has "
                    + moe.stream().distinct().count() + " kinds of them");
        }
        ModelCost cost = CostModel.model(spec);
        return new Side(cost.moeLayers().get(0), moe.size(), Optional.of(cost));
    }

    MoeSpec spec() {
        return layer.spec();
    }

    int layers() {
        return layers;
    }

    Optional<ModelCost> model() {
        return model;
    }

    long parameters() {
        return model.map(ModelCost::parameters).orElseGet(() -> times(layer.parameters()));
    }

    double activeParameters() {
        return model.map(ModelCost::activeParameters).orElseGet(() -> layers * layer.activeParameters());
    }

    long routedParameters() {
        return times(layer.routedExpertParameters());
    }

    long parameters(LayerPart part) {
        return times(layer.parameters(part));
    }

    /** B of all groups and operators. */
    long projectionParameters() {
        return times(spec().parameters().stream()
                .filter(parameter -> parameter.name().startsWith("latent_"))
                .mapToLong(ParameterShape::size)
                .sum());
    }

    long parameters(ModelPart part) {
        return model.map(cost -> cost.parameters(part)).orElse(0L);
    }

    double forwardFlops(long context) {
        return model.map(cost -> cost.forwardFlops(context)).orElseGet(() -> layers * layer.forwardFlops());
    }

    double forwardFlops(LayerPart part) {
        return layers * layer.forwardFlops(part);
    }

    double routedFlops() {
        return forwardFlops(LayerPart.GATE) + forwardFlops(LayerPart.UP) + forwardFlops(LayerPart.DOWN);
    }

    double forwardFlops(ModelPart part, long context) {
        return model.map(cost -> cost.forwardFlopsByPart(context).getOrDefault(part, 0.0))
                .orElse(0.0);
    }

    /** Forward and backward of one token, in a model of the mean token of a sequence. */
    double trainingFlops(long context) {
        return model.map(cost -> cost.trainingFlops(context)).orElseGet(() -> 3 * forwardFlops(context));
    }

    long weightBytes(Precision precision) {
        return model.map(cost -> cost.weightBytes(precision.weights()))
                .orElseGet(() -> times(layer.weightBytes(precision.weights())));
    }

    /** Memory of a training step on T tokens. */
    TrainingBytes trainingBytes(Settings settings, ActivationPolicy policy) {
        ElementType weights = settings.precision().weights();
        ElementType type = settings.precision().activations();
        if (model.isPresent()) {
            return model.get().trainingBytes(weights, type, 1, settings.tokens(), policy);
        }
        double one = layer.activationBytes(settings.tokens(), type, policy);
        // The layer that is being recomputed keeps what it always keeps.
        double last = policy == ActivationPolicy.RECOMPUTE
                ? layer.activationBytes(settings.tokens(), type, ActivationPolicy.KEEP_GATHERED)
                : one;
        return new TrainingBytes(
                times(layer.weightBytes(weights)),
                times(layer.gradientBytes(weights)),
                times(layer.optimizerBytes(weights)),
                (layers - 1) * one + last);
    }

    double decodeWeightBytes(Settings settings) {
        Precision precision = settings.precision();
        return model.map(cost -> cost.decodeBytes(
                                precision.weights(), precision.activations(), settings.batch(), settings.context())
                        .weights())
                .orElseGet(() -> layers * layer.decodeBytes(precision.weights(), settings.batch()));
    }

    double decodeBytes(Settings settings) {
        return decodeWeightBytes(settings) + cacheBytes(settings);
    }

    long cacheBytesPerToken(Precision precision) {
        return model.map(cost -> cost.kvCacheBytesPerToken(precision.activations()))
                .orElse(0L);
    }

    double cacheBytes(Settings settings) {
        return (double) settings.batch() * settings.context() * cacheBytesPerToken(settings.precision());
    }

    long dispatched() {
        return times(layer.traffic().dispatched());
    }

    long combined() {
        return times(layer.traffic().combined());
    }

    double expectedDistinctGroups() {
        return layer.expectedDistinctGroups();
    }

    LatentSpec latent() {
        return spec().latent().orElseThrow();
    }

    /** The largest latent size of the factored operators; they share one unless a preset says otherwise. */
    int latentSize() {
        return latent().latentSizes().values().stream()
                .mapToInt(Integer::intValue)
                .max()
                .orElseThrow();
    }

    double breakEvenForParameters() {
        return breakEven(spec().numExperts(), spec().expertGroups().numGroups());
    }

    double breakEvenForFlops() {
        return breakEven(spec().topK(), expectedDistinctGroups());
    }

    /** Of all factored operators at once: f of them need f expert matrices, but tied ones a projection less. */
    private double breakEven(double experts, double groups) {
        int factored = latent().latentSizes().size();
        int projections = latent().tiedGateUp() ? factored - 1 : factored;
        return CostModel.breakEvenLatentSize(
                spec().hiddenSize(), spec().intermediateSize(), factored * experts, projections * groups);
    }

    boolean isFactored(ExpertOperator operator) {
        return spec().isFactored(operator);
    }

    private long times(long ofOneLayer) {
        return Math.multiplyExact(ofOneLayer, layers);
    }
}
