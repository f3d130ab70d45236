package ai.molae.cli.quickstart;

/** The loss of a model that knows how often each token occurs and nothing else. */
final class UnigramEntropy {

    private UnigramEntropy() {}

    /** Cross-entropy of {@code text} under the token frequencies of {@code train}, each count raised by one, in nats per token. */
    static double nats(int[] train, int[] text, int vocabSize) {
        long[] counts = new long[vocabSize];
        for (int token : train) {
            counts[token]++;
        }
        double sum = 0;
        for (int token : text) {
            sum -= Math.log((counts[token] + 1.0) / (train.length + vocabSize));
        }
        return sum / text.length;
    }
}
