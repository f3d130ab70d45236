package ai.molae.cli.model;

import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.Tokenizer;
import ai.molae.djl.hf.Checkpoint;
import java.util.Arrays;
import java.util.OptionalInt;

/** The tokenizer of a model, with ids of its vocabulary that stand for no text: vocabularies are filled up to round numbers. */
public final class ModelTokenizer implements Tokenizer, AutoCloseable {

    private static final String UNKNOWN = "\uFFFD";

    private final Tokenizer tokenizer;
    private final int vocabSize;
    private final OptionalInt first;
    private final Runnable close;

    private ModelTokenizer(Tokenizer tokenizer, int vocabSize, OptionalInt first, Runnable close) {
        this.tokenizer = tokenizer;
        this.vocabSize = vocabSize;
        this.first = first;
        this.close = close;
    }

    /**
     * The tokenizer of a checkpoint.
     *
     * @param checkpoint the checkpoint
     * @param choice which
     * @return the tokenizer, the caller's to close
     * @throws IllegalArgumentException if the checkpoint has none, or bytes are more than its vocabulary
     */
    public static ModelTokenizer open(Checkpoint checkpoint, TokenizerChoice choice) {
        int vocabSize = checkpoint.spec().vocabSize();
        if (choice == TokenizerChoice.BYTES) {
            if (vocabSize < ByteTokenizer.VOCAB_SIZE) {
                throw new IllegalArgumentException("--tokenizer bytes needs a vocabulary of at least "
                        + ByteTokenizer.VOCAB_SIZE + " tokens, the model has " + vocabSize);
            }
            ByteTokenizer bytes = new ByteTokenizer();
            return new ModelTokenizer(bytes, vocabSize, OptionalInt.of(bytes.endOfText()), () -> {});
        }
        throw new IllegalArgumentException(checkpoint.folder()
                + " has no tokenizer.json; copy it there from where the model came from, or say --tokenizer bytes"
                + " if the model was trained on bytes");
    }

    /**
     * What stands before a text, so that its first token can be predicted: the begin-of-text token, or the end of the text before.
     *
     * @return its id; empty if the model has neither
     */
    public OptionalInt beforeText() {
        return first;
    }

    /**
     * The tokenizer for whole documents, which get what the checkpoint puts around a text, such as a begin-of-text token.
     *
     * @return a tokenizer, open as long as this one
     */
    public Tokenizer ofDocuments() {
        return this;
    }

    @Override
    public int[] encode(String text) {
        return tokenizer.encode(text);
    }

    @Override
    public String decode(int[] tokens) {
        StringBuilder text = new StringBuilder();
        int from = 0;
        for (int i = 0; i <= tokens.length; i++) {
            if (i == tokens.length || tokens[i] >= tokenizer.vocabSize()) {
                int[] known = Arrays.copyOfRange(tokens, from, i);
                text.append(known.length == 0 ? "" : tokenizer.decode(known));
                text.append(i == tokens.length ? "" : UNKNOWN);
                from = i + 1;
            }
        }
        return text.toString();
    }

    @Override
    public int vocabSize() {
        return vocabSize;
    }

    @Override
    public int endOfText() {
        return tokenizer.endOfText();
    }

    @Override
    public void close() {
        close.run();
    }
}
