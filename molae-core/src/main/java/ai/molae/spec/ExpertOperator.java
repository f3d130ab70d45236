package ai.molae.spec;

/** The three linear operators of an expert, {@code E(x) = W_down (σ(W_gate x) ⊙ W_up x)}. */
public enum ExpertOperator {
    /** {@code W_gate [m, n]}: reads the token, feeds the activation σ. Absent in ungated experts. */
    GATE,
    /** {@code W_up [m, n]}: reads the token. */
    UP,
    /** {@code W_down [n, m]}: writes the token. */
    DOWN
}
