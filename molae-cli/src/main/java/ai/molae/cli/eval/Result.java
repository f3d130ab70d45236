package ai.molae.cli.eval;

/**
 * How well a model predicts a text.
 *
 * @param nats the sum of the cross-entropies of all scored tokens
 * @param tokens how many were scored
 * @param bytes the UTF-8 bytes of the text they are
 * @param seconds what it took
 */
public record Result(double nats, long tokens, long bytes, double seconds) {

    /**
     * The mean cross-entropy.
     *
     * @return nats per token
     */
    public double loss() {
        return nats / tokens;
    }

    /**
     * How many equally probable tokens would be as hard to predict.
     *
     * @return {@code e^loss}
     */
    public double perplexity() {
        return Math.exp(loss());
    }

    /**
     * What does not depend on the tokenizer.
     *
     * @return bits per UTF-8 byte of the text
     */
    public double bitsPerByte() {
        return nats / Math.log(2) / bytes;
    }
}
