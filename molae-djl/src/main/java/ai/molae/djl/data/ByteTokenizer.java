package ai.molae.djl.data;

import java.nio.charset.StandardCharsets;

/** One token per UTF-8 byte; byte 0, which text does not contain, ends a document. Needs no vocabulary file. */
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
}
