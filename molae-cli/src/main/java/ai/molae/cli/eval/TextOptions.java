package ai.molae.cli.eval;

import ai.djl.ndarray.NDManager;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.model.InferencePrecision;
import ai.molae.cli.model.ModelTokenizer;
import ai.molae.cli.model.Texts;
import ai.molae.cli.model.TokenizerChoice;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Meter;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.LoadRecorder;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A text, and how a model reads it. */
public final class TextOptions {

    private static final int DEFAULT_SEQUENCE = 1024;

    @Option(
            names = "--text",
            paramLabel = "FILE|DIR",
            description = "The text: files, folders (every file below), jar or zip archives.")
    private List<Path> text = new ArrayList<>();

    @Option(
            names = "--tokenizer",
            description = "file for the checkpoint's tokenizer.json, bytes for a token each byte (default: file).")
    private @Nullable TokenizerChoice tokenizer;

    @Option(
            names = "--sequence",
            paramLabel = "S",
            description = "Tokens the model reads at once (default: " + DEFAULT_SEQUENCE + ", or the model's longest).")
    private @Nullable Integer sequence;

    @Option(
            names = "--stride",
            paramLabel = "D",
            description =
                    "Tokens from one window to the next; less than S lets windows overlap: each token is still scored once, "
                            + "but with at least S - D tokens before it (default: S).")
    private @Nullable Integer stride;

    @Option(names = "--limit", paramLabel = "N", description = "Score the first N tokens only.")
    private @Nullable Long limit;

    @Option(
            names = "--precision",
            completionCandidates = InferencePrecision.class,
            description = "How to pack the weights: ${COMPLETION-CANDIDATES} (default: float32).")
    private @Nullable Precision precision;

    /** Made by picocli. */
    public TextOptions() {}

    /**
     * What the options of another command stand for.
     *
     * @param text the text
     * @param tokenizer how it is read
     * @param sequence tokens read at once
     * @return all tokens of the text once, float32
     */
    public static TextOptions of(List<Path> text, TokenizerChoice tokenizer, int sequence) {
        TextOptions options = new TextOptions();
        options.text = List.copyOf(text);
        options.tokenizer = tokenizer;
        options.sequence = sequence;
        return options;
    }

    /**
     * Whether there is a text.
     *
     * @return true with {@code --text}
     */
    public boolean isGiven() {
        return !text.isEmpty();
    }

    /**
     * How the weights are packed.
     *
     * @return float32 unless the user says otherwise
     */
    public Precision precision() {
        return precision == null ? Precision.FLOAT32 : precision;
    }

    /**
     * Without a text nothing can be asked about it.
     *
     * @throws IllegalArgumentException if an option besides {@code --text} is given
     */
    public void refuseOthers() {
        List<String> given = new ArrayList<>();
        addIf(given, tokenizer, "--tokenizer");
        addIf(given, sequence, "--sequence");
        addIf(given, stride, "--stride");
        addIf(given, limit, "--limit");
        addIf(given, precision, "--precision");
        if (!given.isEmpty()) {
            throw new IllegalArgumentException(
                    String.join(", ", given) + " says how to read a text; add --text, or leave it away");
        }
    }

    private static void addIf(List<String> list, @Nullable Object value, String flag) {
        if (value != null) {
            list.add(flag);
        }
    }

    /**
     * Loads the model and lets it predict the text.
     *
     * @param checkpoint the model
     * @param batch windows read together
     * @param err where progress goes
     * @param quiet to show none
     * @param interruption ends it
     * @return what it found
     * @throws IllegalArgumentException if an option, the text or the tokenizer does not fit
     * @throws IOException if reading fails
     */
    public Evaluation evaluate(
            Checkpoint checkpoint, int batch, PrintWriter err, boolean quiet, Interruption interruption)
            throws IOException {
        int longest = checkpoint.spec().maxPositionEmbeddings();
        int length = sequence == null
                ? Math.min(DEFAULT_SEQUENCE, longest)
                : Ranges.between("--sequence", sequence, 1, longest);
        int step = stride == null ? length : Ranges.between("--stride", stride, 1, length);
        long most = limit == null ? Long.MAX_VALUE : Ranges.positive("--limit", limit);
        TextCorpus corpus = Texts.read(text);
        TokenStream stream;
        try (ModelTokenizer opened =
                ModelTokenizer.open(checkpoint, tokenizer == null ? TokenizerChoice.FILE : tokenizer)) {
            stream = TokenStream.of(corpus, opened, most);
        }
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model =
                    new Checkpoints.Loading(err, quiet, interruption).forInference(checkpoint, manager, precision());
            try (LoadRecorder recorder = new LoadRecorder();
                    Meter meter =
                            new Meter("scoring", stream.scoredTokens(), "tokens", Meter.Plainly.TENTHS, err, quiet)) {
                Result result = new Scorer(manager, model, stream)
                        .score(Windows.of(stream.size(), length, step), batch, meter, interruption);
                return new Evaluation(result, uses(model, recorder));
            }
        }
    }

    private static List<LayerUse> uses(CausalLm model, LoadRecorder recorder) {
        List<LayerUse> uses = new ArrayList<>();
        for (int i = 0; i < model.layers().size(); i++) {
            int layer = i;
            if (model.layers().get(i).feedForward() instanceof MoeBlock block) {
                recorder.load(block)
                        .ifPresent(load -> uses.add(new LayerUse(
                                layer, load, recorder.routerEntropy(block).orElse(Double.NaN))));
            }
        }
        return uses;
    }
}
