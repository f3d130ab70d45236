package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import java.util.List;

/**
 * A dense feed-forward network:
 *
 * <pre>
 *   y = W_down ( σ(W_gate x) ⊙ W_up x )        or, ungated,  W_down σ(W_up x)
 * </pre>
 *
 * Input and output are {@code [..., n]} float32; the output belongs to the manager of the input. Parameters are {@code gate_up [2m, n]}
 * (gate above up) or, ungated, {@code up [m, n]}, and {@code down [n, m]}. Another last dimension is an {@link IllegalArgumentException}.
 * Any number of threads may infer at once.
 */
public final class DenseFeedForward extends LmBlock {

    private final DenseSpec spec;
    private final Precision precision;

    /**
     * A network.
     *
     * @param spec what it is
     * @param precision the arithmetic of the products
     * @param initializerRange standard deviation of fresh weights
     */
    public DenseFeedForward(DenseSpec spec, Precision precision, double initializerRange) {
        this.spec = spec;
        this.precision = precision;
        long m = spec.intermediateSize();
        matrix(spec.gated() ? "gate_up" : "up", initializerRange, spec.gated() ? 2 * m : m, spec.hiddenSize());
        matrix("down", initializerRange, spec.hiddenSize(), m);
    }

    /**
     * What the network is.
     *
     * @return the spec
     */
    public DenseSpec spec() {
        return spec;
    }

    @Override
    public List<String> adaptable() {
        return LmOps.feedForwardMatrices(spec);
    }

    @Override
    NDList compute(ParameterStore parameterStore, NDList inputs, boolean training) {
        NDArray x = inputs.singletonOrThrow();
        return new NDList(LmOps.feedForward(spec, x, weights(parameterStore, x, training, precision)));
    }

    @Override
    void checkShape(Shape shape) {
        checkLast(shape, 1, "[..., hiddenSize", spec.hiddenSize());
    }
}
