package ai.molae.djl.train.metrics;

import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.train.LmTrainingListener.Step;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/** What a report draws of every step. A NaN means that the step does not tell. */
enum Quantity {
    LOSS(Step::loss),
    AUX_LOSS(Step::auxLoss),
    BALANCE_LOSS(step -> mean(step, LayerRouting::balanceLoss)),
    Z_LOSS(step -> mean(step, LayerRouting::zLoss)),
    GRADIENT_NORM(Step::gradientNorm),
    LEARNING_RATE(Step::learningRate),
    TOKENS_PER_SECOND(step -> step.stepTokens() / step.stepSeconds()),
    FLOPS_UTILISATION(step -> 100 * step.flopsUtilisation()),
    NATIVE_GIB(
            step -> step.nativeBytes().isPresent() ? step.nativeBytes().getAsLong() / (double) (1L << 30) : Double.NaN),
    ENTROPY_LEAST(step -> layers(step, LayerRouting::entropy).min().orElse(Double.NaN)),
    ENTROPY_MEAN(step -> mean(step, LayerRouting::entropy)),
    ENTROPY_GREATEST(step -> layers(step, LayerRouting::entropy).max().orElse(Double.NaN)),
    IMBALANCE_MEAN(step -> mean(step, layer -> layer.load().imbalance())),
    IMBALANCE_WORST(
            step -> layers(step, layer -> layer.load().imbalance()).max().orElse(Double.NaN)),
    IDLE_EXPERTS(step -> sum(step, layer -> layer.load().idleExperts())),
    DROPPED_SHARE(step -> 100
            * sum(step, layer -> (double) layer.load().dropped())
            / sum(step, layer -> (double) layer.load().total()));

    @SuppressWarnings("ImmutableEnumChecker") // the functions above have no state
    private final ToDoubleFunction<Step> value;

    Quantity(ToDoubleFunction<Step> value) {
        this.value = value;
    }

    double of(Step step) {
        return value.applyAsDouble(step);
    }

    private static DoubleStream layers(Step step, ToDoubleFunction<LayerRouting> value) {
        return step.routing().stream().mapToDouble(value).filter(Double::isFinite);
    }

    private static double mean(Step step, ToDoubleFunction<LayerRouting> value) {
        return layers(step, value).average().orElse(Double.NaN);
    }

    private static double sum(Step step, ToDoubleFunction<LayerRouting> value) {
        return step.routing().isEmpty() ? Double.NaN : layers(step, value).sum();
    }
}
