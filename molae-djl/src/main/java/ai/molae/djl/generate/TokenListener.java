package ai.molae.djl.generate;

/** Hears of each new token as soon as it is known, on the thread that generates. What it throws ends the generation and reaches the caller. */
@FunctionalInterface
public interface TokenListener {

    /**
     * A token was made. Stop tokens are not told.
     *
     * @param sequence index of the prompt it continues
     * @param token its id
     */
    void onToken(int sequence, int token);

    /**
     * A token was made by a generator that tells log-probabilities, which calls this method instead of the other.
     *
     * @param sequence index of the prompt it continues
     * @param choice the token, how probable it was, and the most probable ones
     */
    default void onChoice(int sequence, Sampler.Choice choice) {
        onToken(sequence, choice.token());
    }
}
