package ai.molae.cli.convert;

import ai.molae.cli.model.TokenizerChoice;
import ai.molae.cli.model.TokenizerSource;
import ai.molae.cli.options.Ranges;
import ai.molae.djl.data.DocumentReader;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TokenDocument;
import ai.molae.djl.data.TokenDocuments;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How texts become tokens. */
final class TextOptions {

    private static final int DEFAULT_SEQUENCE = 512;
    private static final long SEED = 1;

    @Option(
            names = "--tokenizer",
            defaultValue = "file",
            description =
                    "file for the checkpoint's tokenizer.json, bytes for a token each byte (default: ${DEFAULT-VALUE}).")
    private TokenizerChoice tokenizer = TokenizerChoice.FILE;

    @Option(
            names = "--sequence",
            paramLabel = "S",
            description = "Tokens of a window (default: " + DEFAULT_SEQUENCE + ", or the model's longest).")
    private @Nullable Integer sequence;

    TokenizerChoice tokenizer() {
        return tokenizer;
    }

    int sequence(Checkpoint checkpoint) {
        int longest = checkpoint.spec().maxPositionEmbeddings();
        return sequence == null
                ? Math.min(DEFAULT_SEQUENCE, longest)
                : Ranges.between("--sequence", sequence, 1, longest);
    }

    /** The windows of texts, in an order that is always the same. */
    PackedWindows windows(String flag, List<Path> texts, Checkpoint checkpoint) throws IOException {
        int length = sequence(checkpoint);
        TokenDocuments documents = documents(flag, texts, checkpoint);
        if (documents.tokens() <= length) {
            throw new IllegalArgumentException("the text of " + flag + " is too short: it has " + documents.tokens()
                    + " tokens, one window needs " + (length + 1) + "; give more text or a smaller --sequence");
        }
        return PackedWindows.builder()
                .setDocuments(documents)
                .setSequenceLength(length)
                .optSeed(SEED)
                .build();
    }

    private TokenDocuments documents(String flag, List<Path> texts, Checkpoint checkpoint) throws IOException {
        List<TokenDocument> documents = new ArrayList<>();
        try (TokenizerSource source = TokenizerSource.open(tokenizer.toString(), checkpoint)) {
            DocumentReader reader =
                    DocumentReader.builder().setEncoder(source.encoder()).build();
            for (Path path : texts) {
                checkExists(flag, path);
                try {
                    reader.read(path, documents::add);
                } catch (ZipException e) {
                    throw new IllegalArgumentException(
                            flag + " " + path + " is no readable archive: " + e.getMessage(), e);
                }
            }
            if (documents.isEmpty()) {
                throw new IllegalArgumentException("there is no text in " + flag + " " + texts + ": "
                        + reader.skippedFiles() + " files are not UTF-8 text, the others are empty");
            }
        }
        return TokenDocuments.of(documents);
    }

    /** Refuses what is not there, before anything is done. */
    static void checkExists(String flag, Path path) {
        if (!Files.exists(path)) {
            throw new IllegalArgumentException(flag + " " + path + " does not exist");
        }
    }
}
