package ai.molae.spec;

/**
 * An expert that every token visits, {@code y += E_s(x)}, or {@code y += sigmoid(w·x) E_s(x)} when sigmoid-gated
 * (Qwen2-MoE). It has the activation and form (gated or not) of the routed experts and is never factored. Several
 * shared experts of width m are one of width {@code count·m}.
 *
 * @param intermediateSize width m_s inside the shared expert
 * @param sigmoidGated whether a learned scalar gate {@code sigmoid(w·x)}, {@code w [1, n]}, multiplies its output
 */
public record SharedExpertSpec(int intermediateSize, boolean sigmoidGated) {

    /**
     * Validates the fields.
     *
     * @param intermediateSize width m_s inside the shared expert
     * @param sigmoidGated whether a learned scalar gate {@code sigmoid(w·x)}
     * @throws IllegalArgumentException if {@code intermediateSize} is not positive
     */
    public SharedExpertSpec {
        SpecLimits.checkSize("shared expert intermediateSize", intermediateSize);
    }

    /**
     * A shared expert without sigmoid gate.
     *
     * @param intermediateSize width m_s inside the shared expert
     * @return the spec
     */
    public static SharedExpertSpec of(int intermediateSize) {
        return new SharedExpertSpec(intermediateSize, false);
    }
}
