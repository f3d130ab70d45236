package ai.molae.djl.data;

/**
 * Sequences to train or evaluate on. A batch depends on its arguments alone, never on earlier calls, so that the number of sequences consumed
 * is all that must be remembered to go on exactly where training was. Safe for concurrent use.
 */
public interface TrainingData {

    /**
     * The number of sequences.
     *
     * @return sequences of an epoch, at least 1
     */
    long size();

    /**
     * The length of every sequence.
     *
     * @return S
     */
    int sequenceLength();

    /**
     * Consecutive sequences in the order of training: every sequence once an epoch, in an order that seed and epoch fix, epoch after epoch.
     *
     * @param position how many sequences came before, over all epochs
     * @param count B
     * @return the sequences
     */
    TokenBatch shuffled(long position, int count);

    /**
     * Consecutive sequences in the order of the data, for evaluation.
     *
     * @param first the first sequence, less than {@link #size}
     * @param count B; the batch is smaller at the end of the data
     * @return the sequences
     */
    TokenBatch inOrder(long first, int count);

    /**
     * Tells this data from other data: the same tokens, cut and shuffled alike, have the same fingerprint in every process.
     *
     * @return a short text
     */
    String fingerprint();
}
