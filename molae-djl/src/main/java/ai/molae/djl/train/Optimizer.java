package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import java.util.Map;

/**
 * Changes parameters by their gradients; {@link Optimizers} makes it. It owns its state, in arrays that a checkpoint saves and restores in
 * place: with state and parameters restored the next steps are, bit by bit, those that would have followed. Not thread-safe.
 */
public interface Optimizer extends AutoCloseable {

    /**
     * Scales all gradients down so that their global L2 norm is at most a limit, updates the parameters, and sets the gradients to zero. If
     * the norm is NaN or infinite, neither parameters nor state nor gradients change.
     *
     * @param learningRate lr, to which parameter groups have factors
     * @param tokens tokens trained on, those of this step included, which decide about the warm-up of parameter groups
     * @param maxGradientNorm the limit; 0 for none
     * @return the global norm of the gradients before scaling
     */
    double step(double learningRate, long tokens, double maxGradientNorm);

    /**
     * Everything that the next steps depend on besides the parameters.
     *
     * @return live arrays by name, always the same names for the same model and settings: {@code <path of the parameter>.<state>}, float32 or
     *     uint8, and {@code step}, a float32 number; the optimizer's own. To restore, copy into them ({@code saved.copyTo(array)})
     */
    Map<String, NDArray> state();

    /** Forgets gradients that something else has left: a pass that failed, or a step whose norm was not finite. */
    void zeroGradients();

    /** Frees the state. The parameters stay. */
    @Override
    void close();
}
