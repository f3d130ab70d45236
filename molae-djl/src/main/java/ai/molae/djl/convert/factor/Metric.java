package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.ExpertOperator;
import java.util.List;

/**
 * In which norm the error of a factorisation is smallest. With {@code D_i = X_i − A_i B}, X_i {@code [m, n]} being W_gate, W_up or
 * W_downᵀ of an expert,
 *
 * <pre>
 *   error² = Σ_i tr( L_i D_i C D_iᵀ )
 * </pre>
 *
 * C {@code [n, n]} (or its diagonal {@code [n]}) belongs to the side that the group shares, L_i {@code [m, m]} (or its diagonal {@code [m]}, or one number
 * {@code []}) to the expert's own. Both are float64, symmetric and positive definite;
 * {@link TorchArguments#absent()} stands for the identity. Safe for use by many threads.
 */
public interface Metric {

    /**
     * The weights on the shared side.
     *
     * @param manager will own them
     * @param operator which matrices
     * @param experts the experts of the group
     * @return C or absent
     */
    NDArray right(NDManager manager, ExpertOperator operator, List<Integer> experts);

    /**
     * The weights on an expert's side.
     *
     * @param manager will own them
     * @param operator which matrix
     * @param expert i
     * @return L_i or absent
     */
    NDArray left(NDManager manager, ExpertOperator operator, int expert);

    /**
     * The weights on the shared side for one expert alone, where they are known.
     *
     * @param manager will own them
     * @param operator which matrix
     * @param expert i
     * @return C_i {@code [n, n]}, or absent if there is only that of a group
     */
    default NDArray ownRight(NDManager manager, ExpertOperator operator, int expert) {
        return TorchArguments.absent();
    }

    /** Every element counts alike. */
    Metric FROBENIUS = new Metric() {
        @Override
        public NDArray right(NDManager manager, ExpertOperator operator, List<Integer> experts) {
            return TorchArguments.absent();
        }

        @Override
        public NDArray left(NDManager manager, ExpertOperator operator, int expert) {
            return TorchArguments.absent();
        }
    };
}
