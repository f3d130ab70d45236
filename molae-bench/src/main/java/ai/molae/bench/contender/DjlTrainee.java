package ai.molae.bench.contender;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.bench.workload.LayerCase;
import ai.molae.cost.ActivationPolicy;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.NDArrayMoe;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.PreparableBlock;
import ai.molae.spec.MoeSpec;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** A layer of DJL's arrays that trains. Gradients of weights are added to those of earlier steps, as they are between two steps of an optimizer. */
final class DjlTrainee implements Trainee {

    /** A forward pass in training. */
    private interface Forward {
        /** Makes y, and aux behind it where the layer has an auxiliary loss. */
        NDList of(NDArray x, NDManager scope);
    }

    private final NDManager manager;
    private final Forward forward;
    private final Supplier<GradientCollector> collectors;
    private final NDArray[] inputs;

    private DjlTrainee(NDManager manager, LayerCase layer, Forward forward, Supplier<GradientCollector> collectors) {
        this.manager = manager;
        this.forward = forward;
        this.collectors = collectors;
        inputs = Blocks.inputs(manager, layer);
    }

    /** molae's block, on its tape or, keeping what autograd keeps, on DJL's collector. */
    static DjlTrainee molae(LayerCase layer, Precision precision, ActivationPolicy activations) {
        precision.checkTrainable();
        NDManager manager = NDManager.newBaseManager();
        PreparableBlock block = Blocks.molae(manager, layer, precision, activations == ActivationPolicy.RECOMPUTE);
        return new DjlTrainee(
                manager,
                layer,
                (x, scope) -> block.forward(new ParameterStore(scope, false), new NDList(x), true),
                activations == ActivationPolicy.KEEP_GATHERED ? DjlTrainee::djlCollector : GradientTape::new);
    }

    /** The loop over experts that a DJL user would write. */
    static DjlTrainee loop(LayerCase layer, Precision precision, ActivationPolicy activations) {
        NDArrayContender.checkPrecision(precision);
        if (activations != ActivationPolicy.KEEP_GATHERED) {
            throw new IllegalArgumentException("DJL's autograd keeps what it gathered: "
                    + ActivationPolicy.KEEP_GATHERED + ", not " + activations);
        }
        NDManager manager = NDManager.newBaseManager();
        MoeSpec spec = layer.spec();
        MoeBlock block = Blocks.build(manager, MoeBlock.builder(), layer);
        Map<String, NDArray> parameters = Blocks.parameters(block);
        parameters.forEach((name, array) -> array.setRequiresGradient(!name.equals("e_score_correction_bias")));
        return new DjlTrainee(
                manager, layer, (x, scope) -> NDArrayMoe.forward(spec, parameters, x), DjlTrainee::djlCollector);
    }

    private static GradientCollector djlCollector() {
        return Engine.getInstance().newGradientCollector();
    }

    @Override
    public void step(int call) {
        step(inputs[call % Contender.INPUTS], x -> Blocks.await(x.getGradient()));
    }

    @Override
    public float[] inputGradient(int input) {
        float[][] gradient = new float[1][];
        step(inputs[input], x -> gradient[0] = x.getGradient().toFloatArray());
        return gradient[0];
    }

    private void step(NDArray input, Consumer<NDArray> afterwards) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray x = Blocks.alias(input, scope);
            x.setRequiresGradient(true);
            try (GradientCollector collector = collectors.get()) {
                collector.backward(loss(forward.of(x, scope)));
            }
            afterwards.accept(x);
        }
    }

    /** Σ y + aux; y is freed, since its gradient does not need it. */
    private static NDArray loss(NDList outputs) {
        try (NDArray y = outputs.get(0)) {
            return outputs.size() == 1 ? y.sum() : y.sum().add(outputs.get(1));
        }
    }

    @Override
    public void close() {
        manager.close();
    }
}
