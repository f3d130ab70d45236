package ai.molae.djl.data;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;

/**
 * Sequences to train on as Java arrays, row by row, so that they can be made on any thread.
 *
 * @param sequences B
 * @param sequenceLength S
 * @param inputs {@code [B, S]} the tokens the model reads
 * @param labels {@code [B, S]} the token that each predicts, or {@link #IGNORED} where the loss leaves it out
 * @param documents {@code [B, S]} the attention mask: 0 for padding, and equal numbers for tokens of one document, which see each other and
 *     nobody else; empty if every token sees all before it
 */
@SuppressWarnings("ArrayRecordComponent") // a plain holder, never compared
public record TokenBatch(int sequences, int sequenceLength, long[] inputs, long[] labels, long[] documents) {

    /** The label that does not count. */
    public static final long IGNORED = -100;

    /**
     * Checks the sizes.
     *
     * @param sequences B
     * @param sequenceLength S
     * @param inputs the tokens
     * @param labels the labels
     * @param documents the mask, or empty
     * @throws IllegalArgumentException if a size does not fit
     */
    public TokenBatch {
        int size = sequences * sequenceLength;
        if (inputs.length != size || labels.length != size || (documents.length != size && documents.length != 0)) {
            throw new IllegalArgumentException("a batch of " + sequences + " x " + sequenceLength + " tokens has "
                    + inputs.length + " inputs, " + labels.length + " labels and a mask of " + documents.length);
        }
    }

    /**
     * How many tokens the model reads.
     *
     * @return those that are no padding
     */
    public long tokens() {
        return documents.length == 0 ? inputs.length : count(documents, 0);
    }

    /**
     * How many tokens the loss is averaged over.
     *
     * @return labels that count
     */
    public long labelled() {
        return count(labels, IGNORED);
    }

    /** Elements that are not so. */
    private static long count(long[] values, long not) {
        long count = 0;
        for (long value : values) {
            count += value == not ? 0 : 1;
        }
        return count;
    }

    /**
     * What the model reads.
     *
     * @param manager will own the arrays
     * @return tokens {@code [B, S]} and, if there is one, the mask {@code [B, S]}, int64
     */
    public NDList inputs(NDManager manager) {
        NDList list = new NDList(array(manager, inputs));
        if (documents.length > 0) {
            list.add(array(manager, documents));
        }
        return list;
    }

    /**
     * What it is to predict.
     *
     * @param manager will own the array
     * @return {@code [B, S]} int64
     */
    public NDArray labels(NDManager manager) {
        return array(manager, labels);
    }

    private NDArray array(NDManager manager, long[] values) {
        return manager.create(values, new Shape(sequences, sequenceLength));
    }
}
