package ai.molae.djl.data;

import java.util.Arrays;

/** Tokens on their way into a batch. */
final class Span {

    private Span() {}

    /** Copies so many inputs with their labels, the tokens one further, to an index of the batch. */
    static void copy(TokenDocuments documents, long position, int inputs, TokenBatch batch, int index) {
        if (inputs == 0) {
            return;
        }
        int[] tokens = new int[inputs + 1];
        documents.copyTokens(position, tokens, 0, tokens.length);
        boolean[] trained = new boolean[documents.masked() ? tokens.length : 0];
        documents.copyTrained(position, trained, 0, trained.length);
        for (int i = 0; i < inputs; i++) {
            batch.inputs()[index + i] = tokens[i];
            if (trained.length == 0 || trained[i + 1]) {
                batch.labels()[index + i] = tokens[i + 1];
            }
        }
    }

    /** Copies one token that has no label. */
    static void copyInput(TokenDocuments documents, long position, TokenBatch batch, int index) {
        int[] token = new int[1];
        documents.copyTokens(position, token, 0, 1);
        batch.inputs()[index] = token[0];
    }

    /** Marks tokens as those of one document. */
    static void number(TokenBatch batch, int index, int count, int number) {
        Arrays.fill(batch.documents(), index, index + count, number);
    }
}
