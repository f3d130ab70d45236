package ai.molae.djl.data;

import java.util.List;

/**
 * Documents as one long sequence of tokens, {@code tokens()} of them, of which document d is those from {@code start(d)} to
 * {@code start(d + 1)}. Each ends with the token that ends a text, where it was encoded so. The tokens may be in memory or, however many, in
 * the files of {@link TokenShards}. Immutable and safe for concurrent use.
 */
public interface TokenDocuments {

    /**
     * The number of documents.
     *
     * @return how many, at least 1
     */
    long documents();

    /**
     * The number of tokens.
     *
     * @return those of all documents
     */
    long tokens();

    /**
     * Where a document begins.
     *
     * @param document its number, from 0 to {@link #documents} inclusively
     * @return the position of its first token; of the number after the last, {@link #tokens}
     */
    long start(long document);

    /**
     * Whether some tokens are only read and not trained on.
     *
     * @return true if {@link #copyTrained} may tell something else than true
     */
    boolean masked();

    /**
     * Copies tokens, across documents.
     *
     * @param position the first one's
     * @param target where they go
     * @param offset index of the first one there
     * @param count how many
     * @throws IndexOutOfBoundsException if there are not so many
     * @throws TokenShardsException if a shard has a token that its vocabulary does not have
     */
    void copyTokens(long position, int[] target, int offset, int count);

    /**
     * Copies whether tokens are trained on.
     *
     * @param position the first one's
     * @param target where the flags go
     * @param offset index of the first one there
     * @param count how many
     * @throws IndexOutOfBoundsException if there are not so many
     */
    void copyTrained(long position, boolean[] target, int offset, int count);

    /**
     * Tells these documents from others: a hash of the tokens, of where documents begin, and of what is trained on. The same in memory and in
     * shards of any size.
     *
     * @return hexadecimal digits
     */
    String fingerprint();

    /**
     * Which document a token belongs to.
     *
     * @param position its position, less than {@link #tokens}
     * @return the document's number
     */
    default long documentOf(long position) {
        long first = 0;
        long end = documents();
        while (end - first > 1) {
            long middle = (first + end) >>> 1;
            if (start(middle) <= position) {
                first = middle;
            } else {
                end = middle;
            }
        }
        return first;
    }

    /**
     * Holds documents back for validation, chosen at random as the seed says. Whole documents, unless that would hold back much more than the
     * share, or everything: then the beginning of the last one chosen is trained on. Both parts keep the order, and need 16 bytes of memory
     * for a document.
     *
     * @param validationShare share of the tokens, between 0 and 1, that the validation part has at least
     * @param seed seed of the choice
     * @return both parts, valid as long as these documents
     * @throws IllegalArgumentException if the share is out of range, or so small a set cannot be split
     */
    default Split split(double validationShare, long seed) {
        return DocumentRanges.split(this, validationShare, seed);
    }

    /**
     * Documents in memory.
     *
     * @param documents the documents
     * @return a copy of them as one sequence
     * @throws IllegalArgumentException if there is none, or more than 2^31 - 1 tokens; {@link TokenShards} has no such limit
     */
    static TokenDocuments of(List<TokenDocument> documents) {
        MemoryDocuments.Builder builder = new MemoryDocuments.Builder();
        documents.forEach(builder::add);
        return builder.build();
    }

    /**
     * A stream of tokens as one document.
     *
     * @param tokens the tokens, at least one; not copied
     * @return the document
     */
    static TokenDocuments ofStream(int[] tokens) {
        return MemoryDocuments.ofStream(tokens);
    }

    /**
     * Documents to train on and documents to validate on.
     *
     * @param train the training part
     * @param validation the part held back
     */
    record Split(TokenDocuments train, TokenDocuments validation) {}
}
