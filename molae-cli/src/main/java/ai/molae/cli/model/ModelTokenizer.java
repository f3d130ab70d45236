package ai.molae.cli.model;

import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.data.SpecialToken;
import ai.molae.djl.data.StreamingDecoder;
import ai.molae.djl.data.Tokenizer;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * The tokenizer of a model, for all ids of its vocabulary: vocabularies are filled up to round numbers with ids that stand for nothing.
 */
public final class ModelTokenizer implements Tokenizer, AutoCloseable {

    private static final String UNKNOWN = "\uFFFD";

    private final Tokenizer tokenizer;
    private final Optional<HfTokenizer> file;
    private final int vocabSize;
    private final OptionalInt first;
    private final OptionalInt last;

    private ModelTokenizer(
            Tokenizer tokenizer, Optional<HfTokenizer> file, int vocabSize, OptionalInt first, OptionalInt last) {
        this.tokenizer = tokenizer;
        this.file = file;
        this.vocabSize = vocabSize;
        this.first = first;
        this.last = last;
    }

    /**
     * The tokenizer of a checkpoint.
     *
     * @param checkpoint the checkpoint
     * @param choice which
     * @return the tokenizer, the caller's to close
     * @throws IllegalArgumentException if the checkpoint has none or a corrupt one, or bytes are more than its vocabulary
     * @throws IOException if a file cannot be read
     */
    public static ModelTokenizer open(Checkpoint checkpoint, TokenizerChoice choice) throws IOException {
        return choice == TokenizerChoice.BYTES ? bytes(checkpoint.spec().vocabSize()) : ofFile(checkpoint);
    }

    private static ModelTokenizer bytes(int vocabSize) {
        if (vocabSize < ByteTokenizer.VOCAB_SIZE) {
            throw new IllegalArgumentException("--tokenizer bytes needs a vocabulary of at least "
                    + ByteTokenizer.VOCAB_SIZE + " tokens, the model has " + vocabSize);
        }
        ByteTokenizer bytes = new ByteTokenizer();
        OptionalInt end = OptionalInt.of(bytes.endOfText());
        return new ModelTokenizer(bytes, Optional.empty(), vocabSize, end, end);
    }

    private static ModelTokenizer ofFile(Checkpoint checkpoint) throws IOException {
        if (!Files.exists(checkpoint.folder().resolve("tokenizer.json"))) {
            throw new IllegalArgumentException(checkpoint.folder()
                    + " has no tokenizer.json; copy it there from where the model came from (a tokenizer of another kind must be converted"
                    + " first), or say --tokenizer bytes if the model was trained on bytes");
        }
        HfTokenizer file = HfTokenizer.load(checkpoint.folder());
        CheckpointConfig config = checkpoint.config();
        List<Integer> added = Arrays.stream(file.encode("", true)).boxed().toList();
        List<Integer> begin = file.bosToken().map(SpecialToken::id).stream().toList();
        List<Integer> end = file.eosToken().map(SpecialToken::id).stream().toList();
        return new ModelTokenizer(
                file,
                Optional.of(file),
                checkpoint.spec().vocabSize(),
                first(Stream.of(added, begin, config.bosTokenIds(), end, config.eosTokenIds())),
                first(Stream.of(end, config.eosTokenIds())));
    }

    private static OptionalInt first(Stream<List<Integer>> candidates) {
        return candidates.flatMap(List::stream).mapToInt(Integer::intValue).findFirst();
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
        Function<String, int[]> encode = file.<Function<String, int[]>>map(hf -> text -> hf.encode(text, true))
                .orElse(tokenizer::encode);
        ModelTokenizer whole = this;
        return new Tokenizer() {
            @Override
            public int[] encode(String text) {
                return encode.apply(text);
            }

            @Override
            public String decode(int[] tokens) {
                return whole.decode(tokens);
            }

            @Override
            public int vocabSize() {
                return whole.vocabSize();
            }

            @Override
            public int endOfText() {
                return whole.endOfText();
            }

            @Override
            public String identity() {
                return whole.identity();
            }
        };
    }

    /**
     * A text that a model is to continue, with what the checkpoint puts before a text.
     *
     * @param text the text; of an empty one only what stands before a text is left
     * @return its tokens
     */
    public int[] encodePrompt(String text) {
        int[] tokens = ofDocuments().encode(text);
        return tokens.length == 0 && first.isPresent() ? new int[] {first.getAsInt()} : tokens;
    }

    /**
     * Decodes for people.
     *
     * @param tokens token ids
     * @return the text without special tokens
     */
    public String decodeVisible(int[] tokens) {
        return decode(tokens, known -> file.map(hf -> hf.decode(known, true)).orElseGet(() -> tokenizer.decode(known)));
    }

    /**
     * Decodes for people, token by token.
     *
     * @return a decoder at the start of a text
     */
    public StreamingDecoder stream() {
        return new StreamingDecoder(this, this::decodeVisible);
    }

    @Override
    public int[] encode(String text) {
        return tokenizer.encode(text);
    }

    @Override
    public String decode(int[] tokens) {
        return decode(tokens, tokenizer::decode);
    }

    private String decode(int[] tokens, Function<int[], String> known) {
        StringBuilder text = new StringBuilder();
        int from = 0;
        for (int i = 0; i <= tokens.length; i++) {
            boolean unknown = i < tokens.length && tokens[i] >= tokenizer.vocabSize();
            if (unknown || i == tokens.length) {
                text.append(i == from ? "" : known.apply(Arrays.copyOfRange(tokens, from, i)));
                text.append(unknown ? UNKNOWN : "");
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
        return last.orElseThrow(() -> new IllegalArgumentException(
                "the checkpoint names no end-of-text token; set eos_token_id in its config.json"));
    }

    @Override
    public String identity() {
        return tokenizer.identity();
    }

    @Override
    public void close() {
        file.ifPresent(HfTokenizer::close);
    }
}
