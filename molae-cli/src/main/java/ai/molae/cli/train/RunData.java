package ai.molae.cli.train;

import ai.molae.cli.model.TokenizerSource;
import ai.molae.djl.data.DocumentReader;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.Packing;
import ai.molae.djl.data.TokenDocument;
import ai.molae.djl.data.TokenDocuments;
import ai.molae.djl.data.TokenShards;
import ai.molae.djl.data.TokenShardsException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/** The data of a run in windows, and the tokenizer that made them. */
final class RunData implements AutoCloseable {

    private static final String INDEX = "shards.json";

    private final DataOptions options;
    private final ModelSource model;
    private final int sequence;
    private final int seed;
    private final List<TokenShards> opened = new ArrayList<>();
    private Optional<TokenizerSource> tokenizer = Optional.empty();
    private @Nullable TokenDocuments train;
    private @Nullable TokenDocuments validation;

    private RunData(DataOptions options, ModelSource model, int sequence, int seed) {
        this.options = options;
        this.model = model;
        this.sequence = sequence;
        this.seed = seed;
    }

    /** Reads what the options name. */
    static RunData open(DataOptions options, ModelSource model, int sequence, int seed) throws IOException {
        RunData data = new RunData(options, model, sequence, seed);
        try {
            data.read();
            return data;
        } catch (IOException | RuntimeException e) {
            data.close();
            throw e;
        }
    }

    private void read() throws IOException {
        if (needsTokenizer()) {
            tokenizer = Optional.of(openTokenizer());
        }
        TokenDocuments all = options.shards == null ? texts() : shards("--shards", trainingShards(options.shards));
        if (options.validation != null) {
            train = all;
            validation = validation(options.validation);
        } else if (options.shards != null
                && Files.exists(heldBack(options.shards).resolve(INDEX))) {
            if (options.validationShare != null) {
                throw new IllegalArgumentException("--shards " + options.shards + " has a validation part of its own, "
                        + heldBack(options.shards) + "; leave --validation-share away");
            }
            train = all;
            validation = shards("--shards", heldBack(options.shards));
        } else {
            double share = options.validationShare == null ? DataOptions.DEFAULT_SHARE : options.validationShare;
            if (share == 0) {
                train = all;
            } else {
                TokenDocuments.Split split = all.split(share, seed);
                train = split.train();
                validation = split.validation();
            }
        }
        checkLength("training", train());
        validation().ifPresent(held -> checkLength("validation", held));
    }

    /** Tokens need none, and are compared with the one that is known. */
    private boolean needsTokenizer() {
        boolean validationIsText = options.validation != null && !Files.exists(options.validation.resolve(INDEX));
        return options.shards == null
                || validationIsText
                || options.tokenizer != null
                || model.original()
                        .map(checkpoint -> Files.exists(checkpoint.folder().resolve("tokenizer.json")))
                        .orElse(false);
    }

    private TokenizerSource openTokenizer() throws IOException {
        TokenizerSource source;
        if (model.original().isPresent()) {
            source = TokenizerSource.open(
                    options.tokenizer == null ? TokenizerSource.FILE : options.tokenizer,
                    model.original().get());
        } else if (TokenizerSource.FILE.equals(options.tokenizer)) {
            throw new IllegalArgumentException(
                    "--tokenizer file is the tokenizer of --from; a new model has none: give a"
                            + " folder with a tokenizer.json, or bytes");
        } else {
            source = TokenizerSource.open(options.tokenizer == null ? TokenizerSource.BYTES : options.tokenizer);
        }
        int tokens = source.tokenizer().vocabSize();
        if (tokens > model.spec().vocabSize()) {
            source.close();
            throw new IllegalArgumentException("the tokenizer has " + tokens + " tokens, the model a vocabulary of "
                    + model.spec().vocabSize() + "; give the model's own tokenizer with --tokenizer, or a model with a"
                    + " larger vocabulary");
        }
        return source;
    }

    private TokenDocuments texts() throws IOException {
        List<TokenDocument> documents = new ArrayList<>();
        DocumentReader reader = reader();
        for (Path path : options.text) {
            read("--text", path, reader, documents);
        }
        for (Path path : options.jsonl) {
            if (!Files.isRegularFile(path)) {
                throw new IllegalArgumentException(
                        "--jsonl " + path + (Files.exists(path) ? " is a folder; use --text" : " does not exist"));
            }
            reader.readJsonLines(path, documents::add);
        }
        return documents(options.text + " " + options.jsonl, reader, documents);
    }

    private TokenDocuments validation(Path path) throws IOException {
        if (Files.exists(path.resolve(INDEX))) {
            return shards("--validation", path);
        }
        List<TokenDocument> documents = new ArrayList<>();
        DocumentReader reader = reader();
        read("--validation", path, reader, documents);
        return documents("--validation " + path, reader, documents);
    }

    private DocumentReader reader() {
        return DocumentReader.builder()
                .setEncoder(tokenizer.orElseThrow().encoder())
                .optTextKey(options.jsonKey)
                .build();
    }

    private static void read(String flag, Path path, DocumentReader reader, List<TokenDocument> documents)
            throws IOException {
        if (!Files.exists(path)) {
            throw new IllegalArgumentException(flag + " " + path + " does not exist");
        }
        try {
            reader.read(path, documents::add);
        } catch (ZipException e) {
            throw new IllegalArgumentException(flag + " " + path + " is no readable archive: " + e.getMessage(), e);
        }
    }

    private static TokenDocuments documents(String what, DocumentReader reader, List<TokenDocument> documents) {
        if (documents.isEmpty()) {
            throw new IllegalArgumentException("there is no text in " + what.strip() + ": " + reader.skippedFiles()
                    + " files are not UTF-8 text, the others are empty");
        }
        return TokenDocuments.of(documents);
    }

    private static Path trainingShards(Path folder) {
        return Files.exists(folder.resolve(INDEX)) ? folder : folder.resolve("train");
    }

    private static Path heldBack(Path folder) {
        return folder.resolve("validation");
    }

    private TokenDocuments shards(String flag, Path folder) throws IOException {
        if (!Files.exists(folder.resolve(INDEX))) {
            throw new IllegalArgumentException(
                    flag + " " + folder + " has no " + INDEX + "; name a folder that molae tokenize wrote");
        }
        try {
            TokenShards shards = TokenShards.open(folder);
            opened.add(shards);
            tokenizer.ifPresent(known -> shards.check(known.tokenizer()));
            if (shards.vocabSize() > model.spec().vocabSize()) {
                throw new IllegalArgumentException(
                        "the tokens in " + folder + " are of a vocabulary of " + shards.vocabSize()
                                + ", the model's has " + model.spec().vocabSize());
            }
            return shards;
        } catch (TokenShardsException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
    }

    private void checkLength(String part, TokenDocuments documents) {
        if (options.packing.packing != Packing.WHOLE_DOCUMENTS && documents.tokens() <= sequence) {
            throw new IllegalArgumentException("the text is too short: its " + part + " part has " + documents.tokens()
                    + " tokens, one window needs " + (sequence + 1) + "; give more text or a smaller --sequence"
                    + (part.equals("validation") ? ", or no validation with --validation-share 0" : ""));
        }
    }

    TokenDocuments train() {
        TokenDocuments set = train;
        if (set == null) {
            throw new IllegalStateException("the data are not read yet");
        }
        return set;
    }

    Optional<TokenDocuments> validation() {
        return Optional.ofNullable(validation);
    }

    /** The windows of a part, in the order of the seed. */
    PackedWindows windows(TokenDocuments documents) {
        return PackedWindows.builder()
                .setDocuments(documents)
                .setSequenceLength(sequence)
                .optPacking(options.packing.packing)
                .optSeed(seed)
                .build();
    }

    int sequence() {
        return sequence;
    }

    /** Tokens of a window on average, padding left out. */
    double tokensPerWindow(PackedWindows windows) {
        return options.packing.packing == Packing.WHOLE_DOCUMENTS
                ? (double) (train().tokens() - train().documents()) / windows.size()
                : sequence;
    }

    /** Files of the tokenizer that belong beside the trained model and are not beside the original. */
    List<Path> tokenizerFiles() {
        return tokenizer.map(TokenizerSource::files).orElse(List.of());
    }

    @Override
    public void close() {
        tokenizer.ifPresent(TokenizerSource::close);
        opened.forEach(TokenShards::close);
    }
}
