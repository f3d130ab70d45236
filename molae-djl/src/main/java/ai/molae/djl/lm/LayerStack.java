package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.ModelSpec;
import java.util.List;

/**
 * The layers of a model one after the other. In training segments of so many layers may keep nothing but what they read.
 *
 * @param spec the model
 * @param layers its layers
 * @param layersPerSegment layers that are recomputed together, 0 for none
 */
record LayerStack(ModelSpec spec, List<DecoderLayer> layers, int layersPerSegment) {

    /**
     * Runs all layers.
     *
     * @param parameterStore the parameter store
     * @param h {@code [B, S, n]}, which is closed
     * @param mask {@code [B, S]} or absent
     * @param training whether to train
     * @param statistics takes what MoE layers say in training
     * @return {@code [B, S, n]}
     */
    NDArray forward(
            ParameterStore parameterStore, NDArray h, NDArray mask, boolean training, LayerStatistics statistics) {
        boolean recompute = training && layersPerSegment > 0;
        int step = recompute ? layersPerSegment : layers.size();
        for (int first = 0; first < layers.size(); first += step) {
            int from = first;
            int to = Math.min(layers.size(), first + step);
            NDList inputs = new NDList(h);
            if (!mask.isEmpty()) {
                inputs.add(mask);
            }
            NDList outputs;
            if (recompute) {
                try (NDArray before = h) {
                    outputs = tape().recompute(inputs, read -> run(parameterStore, read, from, to, true));
                }
            } else {
                outputs = run(parameterStore, inputs, from, to, training);
            }
            h = outputs.head();
            if (training) {
                statistics.add(spec.feedForwards().subList(from, to), outputs.subNDList(1));
            }
        }
        return h;
    }

    private GradientTape tape() {
        return GradientTape.current()
                .filter(tape -> JniUtils.isGradMode())
                .orElseThrow(() -> new IllegalStateException("this CausalLm recomputes its activations, "
                        + layersPerSegment + " layers at a time, which needs a GradientTape in the place of DJL's"
                        + " GradientCollector; open one, or setRecompute(0)"));
    }

    /** Some of the layers: reads h, which it closes, and maybe a mask; returns h and behind it what each layer says of its routing. */
    private NDList run(ParameterStore parameterStore, NDList inputs, int from, int to, boolean training) {
        NDArray h = inputs.head();
        NDArray mask = inputs.size() > 1 ? inputs.get(1) : TorchArguments.absent();
        NDList result = new NDList();
        int tokens = (int) h.getShape().get(1);
        try (Positions positions = Positions.of(spec.attention(), h.getManager(), tokens, mask, 0)) {
            for (int i = from; i < to; i++) {
                try (NDArray before = h) {
                    NDList outputs =
                            layers.get(i).apply(parameterStore, before, positions, mask, KvCache.Layer.NONE, training);
                    h = outputs.head();
                    result.addAll(outputs.subNDList(1));
                }
            }
        }
        result.add(0, h);
        return result;
    }
}
