package ai.molae.cli.quickstart;

import ai.molae.cli.model.Texts;
import ai.molae.cli.options.LatentOptions;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.options.TrainingPrecision;
import ai.molae.cli.work.DraftFolder;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.TrainingProgress;
import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.data.Tokenizer;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains a standard MoE and a MoLAE language model on the same text and reports what each cost and learned. */
@Command(
        name = "quickstart",
        description = {
            "Trains two small language models on real text that differ only in their experts, standard MoE and MoLAE, with the "
                    + "same seed, data order and steps; prints one table and writes a report folder.",
            "Ctrl-C ends training early and writes what there is."
        },
        mixinStandardHelpOptions = true,
        showDefaultValues = true)
public final class QuickstartCommand implements Callable<Integer> {

    private static final double VALIDATION_SHARE = 0.05;
    private static final int EVALUATIONS = 8;
    private static final int EVALUATION_TOKENS = 16_384;
    private static final int PROMPT_TOKENS = 64;
    private static final int MAX_POSITIONS = 1024;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec command;

    @Option(
            names = "--text",
            showDefaultValue = CommandLine.Help.Visibility.NEVER,
            paramLabel = "FILE|DIR",
            description = "Text to train on: files, folders (every file below), jar or zip archives. "
                    + "Default: the Java source of Guava and Apache Commons Lang and Collections.")
    private List<Path> text = new ArrayList<>();

    @Option(names = "--preset", description = "Model size: ${COMPLETION-CANDIDATES}.")
    private QuickstartPreset preset = QuickstartPreset.SMALL;

    @Option(names = "--steps", description = "Optimizer steps per model. Default: the preset's.", paramLabel = "N")
    private @Nullable Integer steps;

    @Option(names = "--batch", description = "Windows per step. Default: the preset's.", paramLabel = "N")
    private @Nullable Integer batch;

    @Option(names = "--sequence", description = "Tokens per window. Default: the preset's.", paramLabel = "N")
    private @Nullable Integer sequence;

    @Option(names = "--lr", description = "Peak learning rate. Default: the preset's.", paramLabel = "LR")
    private @Nullable Double learningRate;

    @ArgGroup(validate = false, heading = "%nHow MoLAE factors the experts:%n")
    private LatentOptions latent = new LatentOptions();

    @Option(
            names = "--precision",
            converter = TrainingPrecision.class,
            completionCandidates = TrainingPrecision.class,
            description = "Arithmetic of the products: ${COMPLETION-CANDIDATES}.")
    private Precision precision = Precision.FLOAT32;

    @Option(names = "--seed", description = "Seed of weights, data order and sampling.")
    private int seed = 1;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Report folder; must not exist yet or be empty. Default: molae-report-<date and time>.")
    private @Nullable Path out;

    /** Made by picocli. */
    public QuickstartCommand() {}

    @Override
    public Integer call() throws IOException {
        PrintWriter console = command.commandLine().getOut();
        ModelSpec moe = preset.moeModel(ByteTokenizer.VOCAB_SIZE, MAX_POSITIONS);
        ModelSpec molae = moe.mapMoe(latent::factor);
        int sequenceLength = Ranges.between(
                "--sequence", Optional.ofNullable(sequence).orElse(preset.sequenceLength), 1, MAX_POSITIONS);
        TrainingConfig config = trainingConfig(sequenceLength);

        Tokenizer tokenizer = new ByteTokenizer();
        TextCorpus corpus = corpus();
        TextCorpus.Split split = corpus.split(tokenizer, VALIDATION_SHARE, seed);
        Texts.checkLength("training", split.train(), sequenceLength);
        Texts.checkLength("validation", split.validation(), sequenceLength);
        Texts.checkBatch(config.batchSize(), split.train(), sequenceLength);
        int[] prompt = prompt(split.validation());

        Report.prepareDrawing();
        try (DraftFolder folder = new DraftFolder("report folder", reportFolder());
                Interruption interruption = new Interruption()) {
            Map<String, Object> settings = settings(config, sequenceLength, corpus, split, tokenizer, prompt);
            double unigram = UnigramEntropy.nats(split.train(), split.validation(), tokenizer.vocabSize());
            console.printf(
                    Locale.ROOT,
                    "Text: %,d documents, %,d training and %,d validation tokens; unigram entropy %.4f nats per token.%n",
                    corpus.documents().size(),
                    split.train().length,
                    split.validation().length,
                    unigram);
            console.flush();

            ModelRun run = new ModelRun(config, split, sequenceLength, precision, seed, tokenizer, prompt);
            run.warmUp(moe);
            run.warmUp(molae);
            List<ModelRun.Result> results = new ArrayList<>();
            try {
                results.add(train(run, "MoE", moe, config, interruption));
                if (!interruption.happened()) {
                    results.add(train(run, "MoLAE", molae, config, interruption));
                }
            } finally {
                // Also when the second model fails: the first one's hours are not lost.
                if (!results.isEmpty()) {
                    Report report = new Report(settings, compare(results, sequenceLength), results, unigram);
                    report.write(folder);
                    Path written = folder.publish();
                    print(console, report, tokenizer.decode(prompt));
                    console.println("Report: " + written.resolve("report.md"));
                    console.flush();
                }
            }
            return interruption.happened() ? Interruption.EXIT_CODE : 0;
        }
    }

    private ModelRun.Result train(
            ModelRun run, String name, ModelSpec spec, TrainingConfig config, Interruption interruption)
            throws IOException {
        try (TrainingProgress progress =
                new TrainingProgress(name, config.steps(), command.commandLine().getErr(), false)) {
            return run.run(name, spec, interruption, progress);
        }
    }

    /** A comparison is fair only of two models that were trained to the end. */
    private static List<Comparison> compare(List<ModelRun.Result> results, int sequenceLength) {
        return results.size() == 2 && results.stream().allMatch(ModelRun.Result::complete)
                ? List.of(new Comparison(results.get(0), results.get(1), sequenceLength, 1))
                : List.of();
    }

    private static void print(PrintWriter console, Report report, String prompt) {
        console.println();
        for (Comparison table : report.comparison()) {
            console.println(table.text());
            console.println(table.conclusion());
            console.printf(
                    Locale.ROOT,
                    "Unigram entropy of the validation text: %.4f nats per token.%n",
                    report.unigramEntropy());
            table.notes().forEach(console::println);
        }
        for (ModelRun.Result result : report.results()) {
            if (!result.complete()) {
                console.printf(
                        Locale.ROOT,
                        "No comparison: %s stopped after %d of %d steps, validation loss %.4f.%n",
                        result.name(),
                        result.stepsDone(),
                        result.stepsPlanned(),
                        result.validationLoss());
            } else if (!result.sample().isEmpty()) {
                console.printf("%n--- %s continues ---%n%s[>]%s%n", result.name(), prompt, result.sample());
            }
        }
        console.println();
    }

    private TrainingConfig trainingConfig(int sequenceLength) {
        int count = positive("--steps", steps, preset.steps);
        int batchSize = positive("--batch", batch, preset.batchSize);
        double peak =
                Ranges.finitePositive("--lr", Optional.ofNullable(learningRate).orElse(preset.learningRate));
        long stepTokens = (long) batchSize * sequenceLength;
        return TrainingConfig.builder()
                .setSteps(count)
                .setBatchSize(batchSize)
                .optSchedule(LearningRateSchedule.warmupCosine(
                        peak, peak / 10, Math.min(20, count / 10) * stepTokens, count * stepTokens))
                .optEvaluation(
                        Math.max(1, count / EVALUATIONS), Math.max(1, EVALUATION_TOKENS / (batchSize * sequenceLength)))
                .build();
    }

    private static int positive(String flag, @Nullable Integer given, int preset) {
        return Ranges.positive(flag, Optional.ofNullable(given).orElse(preset));
    }

    private TextCorpus corpus() throws IOException {
        if (text.isEmpty()) {
            return SampleText.read();
        }
        return Texts.read(text);
    }

    /** Validation tokens from the middle on, moved to the next line start so that the prompt begins where a line does. */
    private static int[] prompt(int[] validation) {
        int start = validation.length / 2;
        int latest = Math.max(0, validation.length - PROMPT_TOKENS);
        while (start < latest && validation[start] != '\n') {
            start++;
        }
        start = Math.min(start, latest);
        return Arrays.copyOfRange(validation, start, Math.min(validation.length, start + PROMPT_TOKENS));
    }

    private Path reportFolder() {
        return out != null
                ? out
                : Path.of("molae-report-"
                        + LocalDateTime.now(ZoneId.systemDefault())
                                .format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT)));
    }

    private Map<String, Object> settings(
            TrainingConfig config,
            int sequenceLength,
            TextCorpus corpus,
            TextCorpus.Split split,
            Tokenizer tokenizer,
            int[] prompt) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put(
                "command",
                "molae "
                        + String.join(
                                " ", command.commandLine().getParseResult().originalArgs()));
        settings.put("preset", preset);
        settings.put("precision", precision);
        settings.put("seed", seed);
        settings.put("steps", config.steps());
        settings.put("batch", config.batchSize());
        settings.put("sequence", sequenceLength);
        settings.put("peak_learning_rate", Optional.ofNullable(learningRate).orElse(preset.learningRate));
        settings.put("documents", corpus.documents().size());
        settings.put("skipped_files", corpus.skipped());
        settings.put(
                "text_bytes",
                corpus.documents().stream()
                        .mapToLong(d -> d.getBytes(StandardCharsets.UTF_8).length)
                        .sum());
        settings.put("training_tokens", split.train().length);
        settings.put("validation_tokens", split.validation().length);
        settings.put("prompt", tokenizer.decode(prompt));
        settings.putAll(Environment.facts());
        return settings;
    }
}
