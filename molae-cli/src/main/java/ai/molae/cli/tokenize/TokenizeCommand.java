package ai.molae.cli.tokenize;

import ai.molae.cli.model.TokenizerSource;
import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import ai.molae.cli.work.DraftFolder;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Meter;
import ai.molae.cli.work.Output;
import ai.molae.djl.data.DocumentReader;
import ai.molae.djl.data.DocumentSink;
import ai.molae.djl.data.TokenShardWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code molae tokenize}: turns texts into shards of tokens. */
@Command(
        name = "tokenize",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Turn texts into tokens on the disk, once, for training on more than fits into memory.",
            "Texts are files, folders (every file below) and archives; what is called *.jsonl has a document on each line: "
                    + "{\"text\": ...}, {\"prompt\": ..., \"completion\": ...} or {\"messages\": [...]}, whose answers alone are trained on.",
            "Ctrl-C leaves nothing behind."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae tokenize --text corpus --tokenizer OLMoE-1B-7B --out tokens --validation-share 0.01",
            "  molae tokenize --jsonl chats.jsonl --tokenizer Qwen3-30B-A3B --out chats --skip-invalid",
            "  molae tokenize --text src --tokenizer bytes --out tokens"
        })
public final class TokenizeCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(
            names = "--text",
            arity = "1..*",
            paramLabel = "FILE|DIR",
            description = "Texts: files, folders (every file below), jar or zip archives.")
    private List<Path> text = new ArrayList<>();

    @Option(
            names = "--jsonl",
            arity = "1..*",
            paramLabel = "FILE",
            description = "Files of JSON lines, whatever they are called.")
    private List<Path> jsonl = new ArrayList<>();

    @Option(
            names = "--tokenizer",
            required = true,
            paramLabel = "DIR|bytes",
            description = "Folder with a tokenizer.json, such as a checkpoint's, or bytes for a token each byte.")
    @SuppressWarnings("NullAway.Init") // required
    private String tokenizer;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "Folder of the tokens; must not exist yet or be empty.")
    @SuppressWarnings("NullAway.Init") // required
    private Path out;

    @Option(
            names = "--shard-tokens",
            paramLabel = "N",
            description = "Tokens of a file at most; a longer document is a file of its own (default: 268435456).")
    private long shardTokens = TokenShardWriter.DEFAULT_SHARD_TOKENS;

    @Option(
            names = "--validation-share",
            paramLabel = "P",
            description = "Hold this share of the documents back: they go to DIR/validation, the others to DIR/train.")
    private @Nullable Double validationShare;

    @Option(
            names = "--seed",
            defaultValue = "1",
            description = "Which documents are held back (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--json-key",
            defaultValue = "text",
            paramLabel = "KEY",
            description = "Where the text of a JSON line is (default: ${DEFAULT-VALUE}).")
    private String jsonKey = "text";

    @Option(names = "--skip-invalid", description = "Leave JSON lines that are wrong out, and count them.")
    private boolean skipInvalid;

    @Option(names = "--quiet", description = "No progress.")
    private boolean quiet;

    /** Made by picocli. */
    public TokenizeCommand() {}

    @Override
    public Integer call() throws IOException {
        if (text.isEmpty() && jsonl.isEmpty()) {
            throw new IllegalArgumentException("there is nothing to tokenize; name texts with --text or --jsonl");
        }
        if (shardTokens < 1 || shardTokens > TokenShardWriter.MOST_SHARD_TOKENS) {
            throw new IllegalArgumentException("--shard-tokens must be between 1 and "
                    + TokenShardWriter.MOST_SHARD_TOKENS + ", got " + shardTokens);
        }
        if (validationShare != null && !(validationShare > 0 && validationShare < 1)) {
            throw new IllegalArgumentException("--validation-share must be between 0 and 1, got " + validationShare);
        }
        try (Interruption interruption = new Interruption()) {
            return interruption.guard(spec.commandLine().getErr(), () -> tokenize(interruption));
        }
    }

    private int tokenize(Interruption interruption) throws IOException {
        long bytes = bytes("--text", text) + bytes("--jsonl", jsonl);
        try (TokenizerSource source = TokenizerSource.open(tokenizer);
                DraftFolder draft = new DraftFolder("folder of tokens", out)) {
            DocumentReader reader = DocumentReader.builder()
                    .setEncoder(source.encoder())
                    .optTextKey(jsonKey)
                    .optSkipInvalid(skipInvalid)
                    .build();
            double share = validationShare == null ? 0 : validationShare;
            try (TokenOutput output = new TokenOutput(draft.path(), source.tokenizer(), shardTokens, share, seed)) {
                try (Meter meter = new Meter(
                        "tokenizing",
                        bytes,
                        "bytes",
                        Meter.Plainly.TENTHS,
                        spec.commandLine().getErr(),
                        quiet)) {
                    read(reader, document -> {
                        interruption.check();
                        output.add(document);
                        meter.at(Math.min(bytes, reader.bytesRead()), "");
                    });
                    meter.at(bytes, "");
                }
                refuseNothing(output, reader);
                output.finish();
                interruption.check();
                Output.print(spec.commandLine(), report(output, reader, draft.publish()));
            }
        }
        return 0;
    }

    private void read(DocumentReader reader, DocumentSink sink) throws IOException {
        for (Path path : text) {
            try {
                reader.read(path, sink);
            } catch (ZipException e) {
                throw new IllegalArgumentException("--text " + path + " is no readable archive: " + e.getMessage(), e);
            }
        }
        for (Path path : jsonl) {
            reader.readJsonLines(path, sink);
        }
    }

    private static long bytes(String flag, List<Path> paths) throws IOException {
        long bytes = 0;
        for (Path path : paths) {
            if (!Files.exists(path) || (flag.equals("--jsonl") && Files.isDirectory(path))) {
                throw new IllegalArgumentException(
                        flag + " " + path + (Files.exists(path) ? " is a folder; use --text" : " does not exist"));
            }
            try (Stream<Path> files = Files.walk(path)) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    bytes += Files.size(file);
                }
            }
        }
        return bytes;
    }

    private void refuseNothing(TokenOutput output, DocumentReader reader) {
        if (output.documents() == 0) {
            throw new IllegalArgumentException("there is no document to tokenize: " + reader.skippedFiles()
                    + " files are not UTF-8 text, " + reader.skippedLines() + " lines are wrong"
                    + reader.firstSkippedLine()
                            .map(line -> ", the first one " + line)
                            .orElse(""));
        }
    }

    private static String report(TokenOutput output, DocumentReader reader, Path written) {
        Table.Builder table = Table.properties("Tokens")
                .row("documents", Cell.count(output.documents()))
                .row("tokens", Cell.count(output.tokens()))
                .row("tokens trained on", Cell.count(output.trainedTokens()))
                .row("bytes of text", Cell.count(output.textBytes()))
                .row("bytes per token", Cell.number((double) output.textBytes() / output.tokens(), 3))
                .row("skipped files", Cell.count(reader.skippedFiles()))
                .row("skipped lines", Cell.count(reader.skippedLines()))
                .row("shards", Cell.count(output.train().numShards()));
        output.validation()
                .ifPresent(validation -> table.row("validation documents", Cell.count(validation.documents()))
                        .row("validation tokens", Cell.count(validation.tokens()))
                        .row("validation shards", Cell.count(validation.numShards())));
        List<String> notes = new ArrayList<>();
        reader.firstSkippedLine().ifPresent(line -> notes.add("First skipped line: " + line));
        notes.add("Tokens: " + written);
        return TableFormat.TEXT.write(List.of(table.build()), notes);
    }
}
