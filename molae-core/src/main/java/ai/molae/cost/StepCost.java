package ai.molae.cost;

import ai.molae.spec.ModelSpec;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** Where a training step holds most; {@link ModelCost#stepBytes} documents it. */
final class StepCost {

    private final ModelCost cost;
    private final ModelSpec spec;
    private final StepSettings settings;
    private final List<TapeLayer.Bytes> layers = new ArrayList<>();
    private final double tokens;

    StepCost(ModelCost cost, StepSettings settings) {
        this.cost = cost;
        this.spec = cost.spec();
        this.settings = settings;
        tokens = (double) settings.batch() * settings.sequence();
        for (int i = 0; i < spec.numLayers(); i++) {
            layers.add(TapeLayer.of(spec, i, settings));
        }
    }

    StepBytes bytes() {
        double residual = 4.0 * tokens * spec.hiddenSize();
        double logits = 4.0 * tokens * spec.vocabSize();
        double table = (double) spec.vocabSize() * spec.hiddenSize();
        boolean casts = settings.products() != ElementType.FLOAT32;
        boolean copies = !casts && settings.traits().contains(StepTrait.COPIED_PRODUCTS);
        // Logits, their logarithms, and the gradients of both; with a teacher logits, its logits, and one gradient.
        double inLoss = (settings.traits().contains(StepTrait.TEACHER) ? 3 : 4) + (copies ? 1 : 0);
        // The last layer's output, what the norm makes of it and what the head reads.
        double head = 2 * residual + (casts ? residual / 2 : residual) + (copies ? residual : 0);
        double kept = 0;
        double inSegment = 0;
        double temporary = 0;
        int all = spec.numLayers();
        int step = settings.layersPerSegment() == 0 ? all : settings.layersPerSegment();
        for (int first = 0; first < all; first += step) {
            double segment = 0;
            for (TapeLayer.Bytes layer : layers.subList(first, Math.min(all, first + step))) {
                segment += layer.held();
                temporary = Math.max(temporary, layer.temporary());
            }
            if (settings.layersPerSegment() == 0) {
                kept += segment;
            } else {
                kept += residual;
                inSegment = Math.max(inSegment, segment + residual);
            }
        }
        return Stream.of(
                        at(kept + head + (casts ? 2 * table : 0), inLoss * logits, 0),
                        // the head's gradient, and that cast or copied
                        at(
                                kept + head,
                                (copies ? 3 : casts ? 2.5 : 2) * logits,
                                (copies ? 8 : casts ? 6 : 4) * table + residual),
                        // a layer's backward pass; the logits are still the caller's
                        at(kept + inSegment, logits, temporary))
                .max(Comparator.comparingDouble(StepBytes::total))
                .orElseThrow();
    }

    private StepBytes at(double activations, double logits, double temporary) {
        return new StepBytes(
                4.0 * cost.parameters(),
                4.0 * settings.trainableParameters(),
                settings.optimizerBytesPerParameter() * settings.trainableParameters(),
                activations,
                logits,
                temporary);
    }
}
