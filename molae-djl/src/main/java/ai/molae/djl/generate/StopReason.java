package ai.molae.djl.generate;

/** Why a text ended. */
public enum StopReason {
    /** The model chose a stop token. */
    STOP_TOKEN,
    /** As many tokens as were asked for. */
    MAX_NEW_TOKENS,
    /** Prompt and text fill the model's {@code maxPositionEmbeddings}. */
    CONTEXT_FULL
}
