package ai.molae.cli.tokenize;

import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.ChatTemplate;
import ai.molae.djl.data.DocumentEncoder;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.data.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The tokenizer that {@code --tokenizer} names, and the chat template beside it. */
final class TokenizerSource implements AutoCloseable {

    private static final String BYTES = "bytes";

    private final Tokenizer tokenizer;
    private final Optional<HfTokenizer> file;
    private final Optional<ChatTemplate> template;

    private TokenizerSource(Tokenizer tokenizer, Optional<HfTokenizer> file, Optional<ChatTemplate> template) {
        this.tokenizer = tokenizer;
        this.file = file;
        this.template = template;
    }

    static TokenizerSource open(String name) throws IOException {
        if (name.equals(BYTES)) {
            return new TokenizerSource(new ByteTokenizer(), Optional.empty(), Optional.empty());
        }
        Path folder = Path.of(name);
        if (!Files.exists(folder.resolve("tokenizer.json"))) {
            throw new IllegalArgumentException("--tokenizer " + name
                    + " is no folder with a tokenizer.json; give a checkpoint's folder, or " + BYTES);
        }
        Optional<ChatTemplate> template = ChatTemplate.load(folder);
        HfTokenizer tokenizer = HfTokenizer.load(folder);
        return new TokenizerSource(tokenizer, Optional.of(tokenizer), template);
    }

    Tokenizer tokenizer() {
        return tokenizer;
    }

    DocumentEncoder encoder() {
        DocumentEncoder.Builder builder = DocumentEncoder.builder().setTokenizer(tokenizer);
        template.ifPresent(builder::optTemplate);
        return builder.build();
    }

    @Override
    public void close() {
        file.ifPresent(HfTokenizer::close);
    }
}
