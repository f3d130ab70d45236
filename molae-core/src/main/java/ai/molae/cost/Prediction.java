package ai.molae.cost;

import java.util.List;

/**
 * What the scaling law says of a training run, and how far it may be trusted.
 *
 * @param loss cross-entropy in nats per token (GPT-2 tokens of FineWeb-Edu)
 * @param activeParameters active parameters, embedding and head included
 * @param tokens training tokens
 * @param experts routed experts per layer; 1 is a dense model
 * @param warnings one sentence for every limit of the law's validity that the run exceeds; empty inside them
 */
public record Prediction(double loss, double activeParameters, double tokens, int experts, List<String> warnings) {

    /**
     * Copies the warnings.
     *
     * @param loss cross-entropy in nats per token
     * @param activeParameters active parameters
     * @param tokens training tokens
     * @param experts routed experts per layer
     * @param warnings one sentence for every limit exceeded
     */
    public Prediction {
        warnings = List.copyOf(warnings);
    }

    /**
     * Whether the run lies inside the law's validity.
     *
     * @return true if there are no warnings
     */
    public boolean isCovered() {
        return warnings.isEmpty();
    }
}
