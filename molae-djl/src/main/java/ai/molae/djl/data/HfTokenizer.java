package ai.molae.djl.data;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.torch.Telemetry;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The tokenizer of a Hugging Face checkpoint: its {@code tokenizer.json}, run by the {@code tokenizers} library itself. Needs
 * {@code ai.djl.huggingface:tokenizers} on the class path, which molae-djl does not bring along. The library's native is in that jar; DJL
 * copies it to its cache folder ({@code DJL_CACHE_DIR}, else {@code ~/.djl.ai}). Nothing is downloaded.
 *
 * <p>Safe for concurrent use. Holds native memory until it is closed.
 */
public final class HfTokenizer implements Tokenizer, AutoCloseable {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    private static final String FILE = "tokenizer.json";
    private static final String LIBRARY = "ai.djl.huggingface:tokenizers";
    /** A text is neither cut nor filled up, whatever the file says. */
    private static final Map<String, String> OPTIONS = Map.of("truncation", "false", "padding", "false");

    private final HuggingFaceTokenizer tokenizer;
    private final String identity;
    private final int vocabSize;
    private final Map<String, SpecialToken> specialTokens;

    private HfTokenizer(
            HuggingFaceTokenizer tokenizer, String identity, int vocabSize, Map<String, SpecialToken> specialTokens) {
        this.tokenizer = tokenizer;
        this.identity = identity;
        this.vocabSize = vocabSize;
        this.specialTokens = Map.copyOf(specialTokens);
    }

    /**
     * Loads {@code tokenizer.json}, and from {@code tokenizer_config.json} and {@code special_tokens_map.json}, if they are there, which
     * tokens are special.
     *
     * @param folder the checkpoint's folder
     * @return its tokenizer, to be closed
     * @throws IOException if {@code tokenizer.json} is missing or a file cannot be read
     * @throws IllegalArgumentException if a file is corrupt, or a special token is not in the vocabulary
     * @throws IllegalStateException if {@code ai.djl.huggingface:tokenizers} is not on the class path
     */
    public static HfTokenizer load(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        Map<String, String> texts = SpecialTokenTexts.read(folder);
        // Read once: what is checked and hashed is what the native library gets, even if the file is changed meanwhile.
        byte[] bytes = SmallText.bytes(file, SmallText.VOCABULARY);
        TokenizerFile contents = TokenizerFile.read(file, bytes, texts.values());
        Map<String, SpecialToken> specialTokens = new HashMap<>();
        texts.forEach((key, text) -> {
            Integer id = contents.ids().get(text);
            if (id == null) {
                throw new IllegalArgumentException(key + " '" + text + "' is not in the vocabulary of " + file
                        + "; correct " + folder.resolve(SpecialTokenTexts.CONFIG) + " or set it to null");
            }
            specialTokens.put(key, new SpecialToken(text, id));
        });
        String identity = FILE + " " + ContentHash.of(bytes);
        return new HfTokenizer(nativeTokenizer(file, bytes), identity, contents.vocabSize(), specialTokens);
    }

    private static HuggingFaceTokenizer nativeTokenizer(Path file, byte[] bytes) throws IOException {
        try {
            return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(bytes), OPTIONS);
        } catch (NoClassDefFoundError e) {
            throw new IllegalStateException(
                    "reading " + file + " needs the library " + LIBRARY
                            + ", which is not on the class path; add it to your dependencies (molae-bom has its version)",
                    e);
        } catch (RuntimeException e) { // whatever the native library found wrong
            throw new IllegalArgumentException(
                    file + " cannot be read as a tokenizer: " + Shown.message(e.getMessage()), e);
        }
    }

    /**
     * Encodes text without adding special tokens. Where the text itself has one, such as {@code <|im_end|>}, it becomes that token: a
     * rendered {@link ChatTemplate} needs that, but so does what a user writes.
     */
    @Override
    public int[] encode(String text) {
        return encode(text, false);
    }

    /**
     * Encodes text.
     *
     * @param text any text
     * @param addSpecialTokens whether to add what the checkpoint puts around a text, such as a begin-of-text token
     * @return its token ids
     * @throws IllegalArgumentException if the file's tokenizer has no way to write this text
     * @throws IllegalStateException if the tokenizer is closed
     */
    public int[] encode(String text, boolean addSpecialTokens) {
        long[] ids;
        try {
            ids = tokenizer.encode(text, addSpecialTokens, false).getIds();
        } catch (IllegalStateException e) {
            throw e;
        } catch (RuntimeException e) { // an unknown token, say, for which the file has none
            throw failed("encode a text of " + text.length() + " characters", e);
        }
        int[] tokens = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            tokens[i] = Math.toIntExact(ids[i]);
        }
        return tokens;
    }

    /** Decodes token ids, special tokens as they are written. An id without a token decodes to nothing. */
    @Override
    public String decode(int[] tokens) {
        return decode(tokens, false);
    }

    /**
     * Decodes token ids; ids that form no valid text become replacement characters. An id without a token decodes to nothing, because models
     * are often filled up to more ids than their tokenizers have, and may choose one.
     *
     * @param tokens token ids
     * @param skipSpecialTokens whether to leave special tokens out
     * @return the text
     * @throws IllegalArgumentException if an id is negative
     * @throws IllegalStateException if the tokenizer is closed
     */
    public String decode(int[] tokens, boolean skipSpecialTokens) {
        for (int i = 0; i < tokens.length; i++) {
            if (tokens[i] < 0) {
                throw new IllegalArgumentException("token " + tokens[i] + " at position " + i + " is negative");
            }
        }
        long[] ids = Arrays.stream(tokens)
                .filter(token -> token < vocabSize)
                .asLongStream()
                .toArray();
        try {
            return tokenizer.decode(ids, skipSpecialTokens);
        } catch (IllegalStateException e) {
            throw e;
        } catch (RuntimeException e) {
            throw failed("decode " + ids.length + " tokens", e);
        }
    }

    private IllegalArgumentException failed(String what, RuntimeException e) {
        return new IllegalArgumentException(
                "the tokenizer (" + identity + ") cannot " + what + ": " + Shown.message(e.getMessage())
                        + "; is this the checkpoint's own " + FILE + "?",
                e);
    }

    /** One more than the highest id; a model's {@code vocab_size} is often filled up to more. */
    @Override
    public int vocabSize() {
        return vocabSize;
    }

    /** A hash of {@code tokenizer.json}. */
    @Override
    public String identity() {
        return identity;
    }

    /**
     * The end-of-text token.
     *
     * @throws IllegalStateException if the checkpoint names none
     */
    @Override
    public int endOfText() {
        return eosToken()
                .orElseThrow(() -> new IllegalStateException("this tokenizer has no end-of-text token: "
                        + SpecialTokenTexts.CONFIG + " names no " + SpecialTokenTexts.EOS))
                .id();
    }

    /**
     * The token that begins a text.
     *
     * @return {@code bos_token}, empty if there is none
     */
    public Optional<SpecialToken> bosToken() {
        return Optional.ofNullable(specialTokens.get(SpecialTokenTexts.BOS));
    }

    /**
     * The token that ends a text.
     *
     * @return {@code eos_token}, empty if there is none
     */
    public Optional<SpecialToken> eosToken() {
        return Optional.ofNullable(specialTokens.get(SpecialTokenTexts.EOS));
    }

    /**
     * The token that fills up rows of a batch.
     *
     * @return {@code pad_token}, empty if there is none
     */
    public Optional<SpecialToken> padToken() {
        return Optional.ofNullable(specialTokens.get(SpecialTokenTexts.PAD));
    }

    /** Frees the native memory. */
    @Override
    public void close() {
        tokenizer.close();
    }
}
