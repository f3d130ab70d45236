package ai.molae.djl.data;

/** Turns text into token ids and back. Implementations are immutable. */
public interface Tokenizer {

    /**
     * Encodes text.
     *
     * @param text any text
     * @return its token ids, each in {@code [0, vocabSize)}
     */
    int[] encode(String text);

    /**
     * Decodes token ids; ids that form no valid text become replacement characters.
     *
     * @param tokens token ids
     * @return the text
     * @throws IllegalArgumentException if an id is out of range
     */
    String decode(int[] tokens);

    /**
     * The number of token ids.
     *
     * @return {@code vocab_size}
     */
    int vocabSize();

    /**
     * The token that stands between documents.
     *
     * @return its id
     */
    int endOfText();

    /**
     * Tells this tokenizer from those that give other ids, so that tokens are not taken for those of another.
     *
     * @return a short text, the same in every process; by default the name of the class, for tokenizers without settings
     */
    default String identity() {
        return getClass().getName();
    }
}
