package ai.molae.cost;

/** The parts a MoE layer's cost is split into. */
public enum LayerPart {
    /** {@code W_router [N, n]} and, where the router has one, the correction bias {@code [N]}. */
    ROUTER,
    /** W_gate of all routed experts, projections included; the projection of tied gate and up counts at {@link #UP}. */
    GATE,
    /** W_up of all routed experts, projections included. */
    UP,
    /** W_down of all routed experts, projections included. */
    DOWN,
    /** The shared expert and its sigmoid gate. */
    SHARED;

    /**
     * Whether the part belongs to the routed experts.
     *
     * @return true for GATE, UP and DOWN
     */
    public boolean isRoutedExpert() {
        return this == GATE || this == UP || this == DOWN;
    }
}
