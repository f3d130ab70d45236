package ai.molae.cli.train;

import ai.molae.cli.options.Ranges;
import ai.molae.djl.data.Packing;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What is trained on, and what is only measured with. */
final class DataOptions {

    static final double DEFAULT_SHARE = 0.05;
    private static final int DEFAULT_SEQUENCE = 256;

    /** How windows are filled. */
    enum PackingChoice {
        /** Cut anywhere, documents see each other. */
        STREAM(Packing.STREAM),
        /** Cut anywhere, documents see themselves only. */
        INSIDE(Packing.STREAM_INSIDE_DOCUMENTS),
        /** Documents are not cut unless they are too long. */
        WHOLE(Packing.WHOLE_DOCUMENTS);

        final Packing packing;

        PackingChoice(Packing packing) {
            this.packing = packing;
        }

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(
            names = "--text",
            paramLabel = "FILE|DIR",
            description = "Text to train on: files, folders (every file below), jar or zip archives; may be repeated.")
    List<Path> text = new ArrayList<>();

    @Option(
            names = "--jsonl",
            paramLabel = "FILE",
            description = "JSON lines to train on: texts, prompts with completions, conversations; may be repeated.")
    List<Path> jsonl = new ArrayList<>();

    @Option(
            names = "--shards",
            paramLabel = "DIR",
            description = "Tokens to train on that molae tokenize wrote, in the place of --text and --jsonl.")
    @Nullable
    Path shards;

    @Option(
            names = "--json-key",
            defaultValue = "text",
            paramLabel = "KEY",
            description = "Where the text of a JSON line is (default: ${DEFAULT-VALUE}).")
    String jsonKey = "text";

    @Option(
            names = "--tokenizer",
            paramLabel = "file|bytes|DIR",
            description =
                    "file for the checkpoint's tokenizer.json, bytes for a token each byte, or a folder with a tokenizer.json"
                            + " (default: file with --from, else bytes).")
    @Nullable
    String tokenizer;

    @Option(
            names = "--validation-share",
            paramLabel = "P",
            description = "Part of the data that is not trained on, to measure with; 0 for none (default: "
                    + DEFAULT_SHARE + ").")
    @Nullable
    Double validationShare;

    @Option(
            names = "--validation",
            paramLabel = "FILE|DIR",
            description = "Text, JSON lines or tokens to measure with, in the place of a share of the data.")
    @Nullable
    Path validation;

    @Option(
            names = "--packing",
            paramLabel = "HOW",
            defaultValue = "stream",
            description =
                    "Windows are a stream, a stream whose tokens look only inside their document, or whole documents: ${COMPLETION-CANDIDATES}"
                            + " (default: ${DEFAULT-VALUE}).")
    PackingChoice packing = PackingChoice.STREAM;

    @Option(
            names = "--sequence",
            paramLabel = "S",
            description = "Tokens of a window (default: the preset's, else " + DEFAULT_SEQUENCE
                    + ", or the model's longest).")
    @Nullable
    Integer sequence;

    /** Refuses what contradicts itself. */
    void check() {
        if (text.isEmpty() && jsonl.isEmpty() && shards == null) {
            throw new IllegalArgumentException("there is nothing to train on; give --text, --jsonl or --shards");
        }
        if (shards != null && !(text.isEmpty() && jsonl.isEmpty())) {
            throw new IllegalArgumentException("--shards takes the place of --text and --jsonl; give one or the other");
        }
        if (validation != null && validationShare != null) {
            throw new IllegalArgumentException("--validation takes the place of --validation-share; give one of both");
        }
        if (validationShare != null && !(validationShare >= 0 && validationShare < 1)) {
            throw new IllegalArgumentException("--validation-share must be between 0 and 1, got " + validationShare);
        }
    }

    /** Tokens of a window. */
    int sequence(int usual, int longest) {
        return sequence == null ? Math.min(usual, longest) : Ranges.between("--sequence", sequence, 1, longest);
    }
}
