package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.djl.torch.TorchOps;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * AdamW (Loshchilov and Hutter, arXiv 1711.05101) with libtorch's fused kernel:
 *
 * <pre>
 *   w ← w − lr·λ·w;   m ← β₁m + (1−β₁)g;   v ← β₂v + (1−β₂)g²
 *   w ← w − lr · (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε)
 * </pre>
 *
 * <p>Only matrices decay: λ is 0 for parameters that are not of type WEIGHT (norms, biases). Parameters that require no gradient when the
 * optimizer is made (frozen ones, the router's correction bias) are left alone. The two moments are float32 arrays of the parameters' size;
 * {@link #close()} frees them.
 *
 * <p>Not thread-safe.
 */
public final class AdamW implements AutoCloseable {

    private static final TorchOps OPS = new TorchOps(AdamW.class, "train.py");

    private final NDManager manager;
    private final Group decaying;
    private final Group plain;
    private final double beta1;
    private final double beta2;
    private final double epsilon;

    /**
     * An optimizer of all trainable parameters of a block.
     *
     * @param manager its sub-manager will own the moments
     * @param block an initialised block
     * @param beta1 β₁
     * @param beta2 β₂
     * @param epsilon ε
     * @param weightDecay λ
     * @throws IllegalArgumentException if a hyper-parameter is out of range or no parameter can be trained
     */
    public AdamW(NDManager manager, Block block, double beta1, double beta2, double epsilon, double weightDecay) {
        checkHyperParameters(beta1, beta2, epsilon, weightDecay);
        this.manager = manager.newSubManager();
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.epsilon = epsilon;
        List<Parameter> trainable = new ArrayList<>();
        block.getParameters().forEach(entry -> {
            if (entry.getValue().requiresGradient()) {
                trainable.add(entry.getValue());
            }
        });
        if (trainable.isEmpty()) {
            throw new IllegalArgumentException("the block has no trainable parameter; is all of it frozen?");
        }
        Predicate<Parameter> isMatrix = parameter -> parameter.getType() == Parameter.Type.WEIGHT;
        decaying = new Group(trainable.stream().filter(isMatrix).toList(), weightDecay);
        plain = new Group(trainable.stream().filter(isMatrix.negate()).toList(), 0);
    }

    static void checkHyperParameters(double beta1, double beta2, double epsilon, double weightDecay) {
        if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
            throw new IllegalArgumentException("betas must be in [0, 1), got " + beta1 + " and " + beta2);
        }
        if (!(epsilon > 0 && weightDecay >= 0)) {
            throw new IllegalArgumentException(
                    "need epsilon > 0 and weightDecay >= 0, got " + epsilon + " and " + weightDecay);
        }
    }

    /**
     * Scales all gradients down so that their global L2 norm is at most a limit, updates the parameters, and sets the gradients to zero. If
     * the norm is NaN or infinite no parameter is changed.
     *
     * @param learningRate lr
     * @param maxGradientNorm the limit; 0 for none
     * @return the global norm of the gradients before scaling
     */
    public double step(double learningRate, double maxGradientNorm) {
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = manager.newSubManager()) {
            NDList decayingGradients = decaying.gradients(scope);
            NDList plainGradients = plain.gradients(scope);
            NDList inputs = new NDList(numbers(scope, maxGradientNorm));
            inputs.addAll(decayingGradients).addAll(plainGradients);
            double norm = OPS.call("clip_gradients", inputs.toArray(NDArray[]::new))
                    .singletonOrThrow()
                    .getFloat();
            if (Double.isFinite(norm)) {
                decaying.update(scope, decayingGradients, learningRate);
                plain.update(scope, plainGradients, learningRate);
            }
            decaying.zeroGradients();
            plain.zeroGradients();
            return norm;
        }
    }

    private static NDArray numbers(NDManager scope, double... values) {
        NDArray numbers = TorchArguments.floats(values);
        numbers.attach(scope);
        return numbers;
    }

    /** Frees the moments. The parameters stay. */
    @Override
    public void close() {
        manager.close();
    }

    /** Parameters with a common weight decay, and their state, as lists in one order. */
    private final class Group {
        private final List<Parameter> parameters;
        private final double weightDecay;
        private final NDList weights = new NDList();
        private final NDList expAvgs = new NDList();
        private final NDList expAvgSqs = new NDList();
        private final NDList steps = new NDList();

        private Group(List<Parameter> parameters, double weightDecay) {
            this.parameters = parameters;
            this.weightDecay = weightDecay;
            for (Parameter parameter : parameters) {
                NDArray weight = parameter.getArray();
                weight.setRequiresGradient(true);
                // A second handle of the same tensor, because the name that makes it a list element belongs to the
                // handle.
                add(weights, "params[]", weight.toDevice(weight.getDevice(), true));
                add(expAvgs, "exp_avgs[]", weight.zerosLike());
                add(expAvgSqs, "exp_avg_sqs[]", weight.zerosLike());
                add(steps, "steps[]", manager.zeros(new Shape()));
            }
        }

        private void add(NDList list, String name, NDArray array) {
            array.attach(manager);
            array.setName(name);
            list.add(array);
        }

        private NDList gradients(NDManager scope) {
            NDList gradients = new NDList();
            for (Parameter parameter : parameters) {
                NDArray gradient = parameter.getArray().getGradient();
                gradient.attach(scope);
                gradient.setName("grads[]");
                gradients.add(gradient);
            }
            return gradients;
        }

        private void update(NDManager scope, NDList gradients, double learningRate) {
            if (parameters.isEmpty()) {
                return;
            }
            NDList inputs = new NDList(numbers(scope, learningRate, beta1, beta2, weightDecay, epsilon));
            inputs.addAll(weights)
                    .addAll(gradients)
                    .addAll(expAvgs)
                    .addAll(expAvgSqs)
                    .addAll(steps);
            OPS.call("adamw", inputs.toArray(NDArray[]::new));
        }

        private void zeroGradients() {
            for (Parameter parameter : parameters) {
                JniUtils.zeroGrad((PtNDArray) parameter.getArray());
            }
        }
    }
}
