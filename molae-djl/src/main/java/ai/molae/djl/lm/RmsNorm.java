package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;

/**
 * Root mean square normalisation over the last dimension (Zhang and Sennrich, arXiv 1910.07467):
 *
 * <pre>
 *   y = x / √(mean(x²) + ε) ⊙ weight
 * </pre>
 *
 * Input and output are {@code [..., n]} float32; the output belongs to the manager of the input. Its parameter is {@code weight [n]}, one
 * at first. Another last dimension is an {@link IllegalArgumentException}. Any number of threads may infer at once.
 */
public final class RmsNorm extends LmBlock {

    private final int size;
    private final double eps;
    private final Parameter weight;

    /**
     * A norm.
     *
     * @param size n
     * @param eps ε
     */
    public RmsNorm(int size, double eps) {
        this.size = size;
        this.eps = eps;
        weight = gamma("weight", size);
    }

    Parameter weight() {
        return weight;
    }

    NDArray apply(ParameterStore parameterStore, NDArray x, boolean training) {
        return LmOps.rmsNorm(x, value(parameterStore, weight, x.getDevice(), training), eps);
    }

    @Override
    NDList compute(ParameterStore parameterStore, NDList inputs, boolean training) {
        return new NDList(apply(parameterStore, inputs.singletonOrThrow(), training));
    }

    @Override
    void checkShape(Shape shape) {
        checkLast(shape, 1, "[..., size", size);
    }
}
