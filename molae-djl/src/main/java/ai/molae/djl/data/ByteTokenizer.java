package ai.molae.djl.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** One token per UTF-8 byte; byte 0, which text does not contain, ends a document. Needs no vocabulary file, but can write one: {@link #save}. */
public final class ByteTokenizer implements Tokenizer {

    /** The number of byte values. */
    public static final int VOCAB_SIZE = 256;

    /** A byte tokenizer. */
    public ByteTokenizer() {}

    @Override
    public int[] encode(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int[] tokens = new int[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            tokens[i] = Byte.toUnsignedInt(bytes[i]);
        }
        return tokens;
    }

    @Override
    public String decode(int[] tokens) {
        byte[] bytes = new byte[tokens.length];
        for (int i = 0; i < tokens.length; i++) {
            if (tokens[i] < 0 || tokens[i] >= VOCAB_SIZE) {
                throw new IllegalArgumentException(
                        "token " + tokens[i] + " at position " + i + " is no byte (0 to " + (VOCAB_SIZE - 1) + ")");
            }
            bytes[i] = (byte) tokens[i];
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @Override
    public int vocabSize() {
        return VOCAB_SIZE;
    }

    @Override
    public int endOfText() {
        return 0;
    }

    @Override
    public String identity() {
        return "bytes";
    }

    /**
     * Completes the checkpoint of a model of bytes, so that it is opened like any other: {@code tokenizer.json} and {@code tokenizer_config.json}, by
     * which {@link HfTokenizer} and Hugging Face's library give the same ids, and {@code generation_config.json}, by which a text ends at token 0. Its
     * text is {@code <|endoftext|>}, and that text is this token.
     *
     * @param folder where; created if absent. Files of these names are replaced
     * @throws IOException if writing fails; each file is then complete or as it was
     */
    public void save(Path folder) throws IOException {
        ByteTokenizerFiles.write(folder);
    }
}
