package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.workload.InputRouting;
import ai.molae.bench.workload.LayerCase;
import ai.molae.cost.ActivationPolicy;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.djl.torch.Precision;

/** What the cost model says of a case, with the experts and groups that its inputs really choose. */
final class LayerFacts {

    private final LayerCase layer;
    private final LayerCost cost;
    private final InputRouting routing;

    LayerFacts(LayerCase layer) {
        this.layer = layer;
        cost = CostModel.layer(layer.spec());
        routing = InputRouting.of(layer, Contender.INPUTS);
    }

    /** States those of inference. */
    void putInference(Precision precision) {
        ElementType type = ElementType.valueOf(precision.name());
        Trial.put(Metric.FLOPS, layer.tokens() * cost.forwardFlops(routing.groupsPerToken()));
        Trial.put(Metric.READ_BYTES, routing.readBytes(layer.spec(), type));
        put(type);
    }

    /**
     * States those of training. What a recomputation multiplies again is not among the FLOPs, which are those of the result. Weights are read twice, forward
     * and backward, from float32. Expected in memory are weights, gradients and activations; no optimizer is there.
     */
    void putTraining(Precision precision, ActivationPolicy activations) {
        double groups = routing.groupsPerToken();
        Trial.put(Metric.FLOPS, layer.tokens() * (cost.forwardFlops(groups) + cost.backwardFlops(groups)));
        Trial.put(Metric.READ_BYTES, 2 * routing.readBytes(layer.spec(), ElementType.FLOAT32));
        Trial.put(
                Metric.EXPECTED_PEAK_BYTES,
                cost.weightBytes(ElementType.FLOAT32)
                        + cost.gradientBytes(ElementType.FLOAT32)
                        + cost.activationBytes(layer.tokens(), ElementType.valueOf(precision.name()), activations));
        put(ElementType.FLOAT32);
    }

    private void put(ElementType weights) {
        Trial.put(Metric.TOKENS, layer.tokens());
        Trial.put(Metric.PARAMETERS, (double) cost.parameters());
        Trial.put(Metric.WEIGHT_BYTES, (double) cost.weightBytes(weights));
    }
}
