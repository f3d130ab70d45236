package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.TorchOps;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Updates of parameters that differ in formula, learning rate or weight decay, under one gradient norm and one count of steps. */
final class GroupedOptimizer implements Optimizer {

    private static final String STEP = "step";

    private final NDManager manager;
    private final List<Part> parts = new ArrayList<>();
    private final NDArray steps;
    private final Map<String, NDArray> state = new LinkedHashMap<>();

    GroupedOptimizer(NDManager parent, Map<Optimizers.Treatment, Map<String, Parameter>> byTreatment) {
        manager = parent.newSubManager();
        byTreatment.forEach((treatment, parameters) ->
                parts.add(new Part(treatment, treatment.kind().update(manager, parameters))));
        NDArray first = parts.get(0).update.weights().get(0);
        // float32 as the fused kernel wants it, and on its device: exact up to 16 million steps.
        steps = TorchOps.lasting(manager.zeros(new Shape(), DataType.FLOAT32, first.getDevice()));
        state.put(STEP, steps);
        parts.forEach(part -> state.putAll(part.update.state()));
    }

    private record Part(Optimizers.Treatment treatment, ParameterUpdate update) {}

    @Override
    public double step(double learningRate, long tokens, double maxGradientNorm) {
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = manager.newSubManager()) {
            List<List<NDArray>> gradients = new ArrayList<>();
            parts.forEach(part -> gradients.add(gradients(scope, part.update)));
            double norm = clip(scope, gradients.stream().flatMap(List::stream).toList(), maxGradientNorm);
            if (!Double.isFinite(norm)) {
                return norm;
            }
            steps.addi(1);
            double t = steps.getFloat();
            for (int i = 0; i < parts.size(); i++) {
                Optimizers.Treatment treatment = parts.get(i).treatment;
                parts.get(i)
                        .update
                        .update(
                                scope,
                                gradients.get(i),
                                steps,
                                new ParameterUpdate.StepNumbers(
                                        learningRate * treatment.factor(tokens), treatment.weightDecay(), t));
            }
            zeroGradients();
            return norm;
        }
    }

    @Override
    public void zeroGradients() {
        try (NoGrad noGrad = new NoGrad()) {
            parts.forEach(part -> part.update.weights().forEach(weight -> JniUtils.zeroGrad((PtNDArray) weight)));
        }
    }

    private static List<NDArray> gradients(NDManager scope, ParameterUpdate update) {
        List<NDArray> gradients = new ArrayList<>();
        for (NDArray weight : update.weights()) {
            NDArray gradient = weight.getGradient();
            gradient.attach(scope);
            gradients.add(gradient);
        }
        return gradients;
    }

    private static double clip(NDManager scope, List<NDArray> gradients, double maxGradientNorm) {
        NDList list = ParameterUpdate.named(scope, "grads", gradients);
        double norm = ParameterUpdate.OPS
                .call("gradient_norm", list.toArray(NDArray[]::new))
                .singletonOrThrow()
                .getFloat();
        double factor = maxGradientNorm / (norm + 1e-6);
        if (Double.isFinite(norm) && maxGradientNorm > 0 && factor < 1) {
            NDList inputs = new NDList(ParameterUpdate.numbers(scope, factor)).addAll(list);
            ParameterUpdate.OPS.call("scale_gradients", inputs.toArray(NDArray[]::new));
        }
        return norm;
    }

    @Override
    public Map<String, NDArray> state() {
        return Collections.unmodifiableMap(state);
    }

    @Override
    public void close() {
        manager.close();
    }
}
