package ai.molae.cli.model;

import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.ChatTemplate;
import ai.molae.djl.data.DocumentEncoder;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.data.Tokenizer;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** The tokenizer that {@code --tokenizer} names, and the chat template beside it. */
public final class TokenizerSource implements AutoCloseable {

    /** What stands for a token each byte. */
    public static final String BYTES = "bytes";

    /** What stands for the checkpoint's own. */
    public static final String FILE = "file";

    private static final List<String> FILES = List.of(
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt",
            "chat_template.json",
            "chat_template.jinja");

    private final Tokenizer tokenizer;
    private final Optional<Tokenizer> texts;
    private final Runnable close;
    private final Optional<Path> folder;
    private final Optional<ChatTemplate> template;

    private TokenizerSource(
            Tokenizer tokenizer,
            Optional<Tokenizer> texts,
            Runnable close,
            Optional<Path> folder,
            Optional<ChatTemplate> template) {
        this.tokenizer = tokenizer;
        this.texts = texts;
        this.close = close;
        this.folder = folder;
        this.template = template;
    }

    /**
     * A tokenizer without a model.
     *
     * @param name bytes, or a folder with a {@code tokenizer.json}
     * @return the tokenizer, the caller's to close
     * @throws IllegalArgumentException if there is none
     * @throws IOException if reading fails
     */
    public static TokenizerSource open(String name) throws IOException {
        if (name.equals(BYTES)) {
            Tokenizer bytes = new ByteTokenizer();
            return new TokenizerSource(bytes, Optional.empty(), () -> {}, Optional.empty(), Optional.empty());
        }
        Path folder = Path.of(name);
        if (!Files.exists(folder.resolve("tokenizer.json"))) {
            throw new IllegalArgumentException("--tokenizer " + name
                    + " is no folder with a tokenizer.json; give a checkpoint's folder, or " + BYTES);
        }
        Optional<ChatTemplate> template = ChatTemplate.load(folder);
        HfTokenizer tokenizer = HfTokenizer.load(folder);
        return new TokenizerSource(tokenizer, Optional.empty(), tokenizer::close, Optional.of(folder), template);
    }

    /**
     * A tokenizer for a checkpoint, for all ids of its vocabulary.
     *
     * @param name file for its own, bytes, or a folder with a {@code tokenizer.json}
     * @param checkpoint the checkpoint
     * @return the tokenizer, the caller's to close
     * @throws IllegalArgumentException if there is none
     * @throws IOException if reading fails
     */
    public static TokenizerSource open(String name, Checkpoint checkpoint) throws IOException {
        if (!name.equals(FILE) && !name.equals(BYTES)) {
            return open(name);
        }
        boolean own = name.equals(FILE);
        ModelTokenizer tokenizer = ModelTokenizer.open(checkpoint, own ? TokenizerChoice.FILE : TokenizerChoice.BYTES);
        try {
            Optional<ChatTemplate> template = own ? ChatTemplate.load(checkpoint.folder()) : Optional.empty();
            return new TokenizerSource(
                    tokenizer, Optional.of(tokenizer.ofDocuments()), tokenizer::close, Optional.empty(), template);
        } catch (IOException | RuntimeException e) {
            tokenizer.close();
            throw e;
        }
    }

    /**
     * The tokenizer.
     *
     * @return open as long as this
     */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /**
     * Makes documents of texts and, if there is a template, of conversations.
     *
     * @return an encoder
     */
    public DocumentEncoder encoder() {
        DocumentEncoder.Builder builder = DocumentEncoder.builder().setTokenizer(tokenizer);
        texts.ifPresent(builder::optTextTokenizer);
        template.ifPresent(builder::optTemplate);
        return builder.build();
    }

    /**
     * The files of a tokenizer that belongs to no model, to be put beside one.
     *
     * @return existing files; none for bytes and for a checkpoint's own
     */
    public List<Path> files() {
        return folder.stream()
                .flatMap(from -> FILES.stream().map(from::resolve))
                .filter(Files::isRegularFile)
                .toList();
    }

    @Override
    public void close() {
        close.run();
    }
}
