package ai.molae.djl.data;

/**
 * A text as tokens, and which of them a model is to learn to say.
 *
 * @param tokens token ids, at least one; not copied
 * @param trained for each token whether it is trained on, as the answers of a conversation are and its questions are not; empty if all are
 * @param textBytes UTF-8 bytes of the text that the tokens stand for, 0 if unknown
 */
@SuppressWarnings("ArrayRecordComponent") // a plain holder, never compared
public record TokenDocument(int[] tokens, boolean[] trained, long textBytes) {

    private static final boolean[] ALL = {};

    /**
     * Checks the sizes.
     *
     * @param tokens token ids
     * @param trained for each token whether it is trained on, or empty
     * @param textBytes bytes of the text
     * @throws IllegalArgumentException if there is no token, one is negative, or there is another number of flags than of tokens
     */
    public TokenDocument {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("a document needs at least one token; leave empty texts out");
        }
        for (int i = 0; i < tokens.length; i++) {
            if (tokens[i] < 0) {
                throw new IllegalArgumentException("token " + tokens[i] + " at position " + i + " is negative");
            }
        }
        if (trained.length != 0 && trained.length != tokens.length) {
            throw new IllegalArgumentException("a document of " + tokens.length + " tokens has " + trained.length
                    + " flags that say which are trained on; give one for each, or none");
        }
    }

    /**
     * A document that is trained on as a whole.
     *
     * @param tokens token ids, the one that ends a document included; not copied
     * @return the document
     */
    public static TokenDocument of(int... tokens) {
        return new TokenDocument(tokens, ALL, 0);
    }

    /**
     * Whether a token is trained on.
     *
     * @param index its place in the document
     * @return true if it is a label
     */
    public boolean isTrained(int index) {
        return trained.length == 0 || trained[index];
    }

    /** Whether some token is not. */
    boolean isMasked() {
        for (boolean flag : trained) {
            if (!flag) {
                return true;
            }
        }
        return false;
    }
}
