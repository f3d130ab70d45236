package ai.molae.spec;

import java.util.Objects;

/**
 * A dense feed-forward network, {@code W_down (σ(W_gate x) ⊙ W_up x)} or, ungated, {@code W_down σ(W_up x)}, without
 * biases.
 *
 * @param hiddenSize n
 * @param intermediateSize m
 * @param activation σ
 * @param gated whether it has a gate operator
 */
public record DenseSpec(int hiddenSize, int intermediateSize, Activation activation, boolean gated)
        implements FeedForwardSpec {

    /**
     * Validates the fields.
     *
     * @param hiddenSize n
     * @param intermediateSize m
     * @param activation σ
     * @param gated whether it has a gate operator
     * @throws IllegalArgumentException if a size is not positive
     */
    public DenseSpec {
        Objects.requireNonNull(activation, "activation");
        SpecLimits.checkSize("hiddenSize", hiddenSize);
        SpecLimits.checkSize("intermediateSize", intermediateSize);
    }

    /**
     * A SwiGLU network: gated, SiLU.
     *
     * @param hiddenSize n
     * @param intermediateSize m
     * @return the spec
     */
    public static DenseSpec swiglu(int hiddenSize, int intermediateSize) {
        return new DenseSpec(hiddenSize, intermediateSize, Activation.SILU, true);
    }
}
