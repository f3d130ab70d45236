package ai.molae.djl.convert.calibrate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Optional;

/**
 * What calibration tokens showed of a MoE layer. With x a token, p_i its routing weights, {@code g = W_gate x}, {@code u = W_up x} and
 * {@code h = σ(g) ⊙ u} (ungated {@code h = σ(u)}), sums over the tokens that chose expert i, in double:
 *
 * <pre>
 *   input          C   = Σ x xᵀ           [n, n]   over all tokens, each once
 *   input of i     C_i = Σ x xᵀ           [n, n]   if collected
 *   inner DOWN     Σ p² h hᵀ              [m, m]   what down reads
 *   inner UP       Σ p² a aᵀ ⊙ W_downᵀW_down,   a = σ(g)           what an error of up does to the layer's output
 *   inner GATE     Σ p² b bᵀ ⊙ W_downᵀW_down,   b = σ'(g) ⊙ u      and one of gate, to first order
 * </pre>
 *
 * (ungated: {@code UP} with {@code a = σ'(u)}). The inner moments of gate and up may be their diagonals only, {@code [m]}.
 */
public interface LayerMoments {

    /**
     * The layer.
     *
     * @return its spec
     */
    MoeSpec spec();

    /**
     * What was counted.
     *
     * @return the statistics of the experts
     */
    ExpertStatistics statistics();

    /**
     * The moments of what the layer reads.
     *
     * @param manager will own them
     * @return C, {@code [n, n]} float64
     */
    NDArray input(NDManager manager);

    /**
     * The moments of what an expert reads.
     *
     * @param manager will own them
     * @param expert i
     * @return C_i, {@code [n, n]} float64; empty if they were not collected
     */
    Optional<NDArray> input(NDManager manager, int expert);

    /**
     * The moments on the inner side of an expert's matrix.
     *
     * @param manager will own them
     * @param operator which matrix
     * @param expert i
     * @return {@code [m, m]} float64, or the diagonal {@code [m]}; empty if they were not collected
     */
    Optional<NDArray> inner(NDManager manager, ExpertOperator operator, int expert);
}
