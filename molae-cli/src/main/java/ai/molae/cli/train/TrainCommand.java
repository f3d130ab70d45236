package ai.molae.cli.train;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.model.ModelTokenizer;
import ai.molae.cli.model.Texts;
import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import ai.molae.cli.work.DraftFolder;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.cli.work.TrainingProgress;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.train.FineTuning;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.djl.train.metrics.MetricsFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code molae train}: fine-tunes a checkpoint on a text. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Fine-tune a checkpoint on a text and save it as a checkpoint of the same layout, tokenizer included, with the metrics of its training.",
            "Ctrl-C ends training early and saves what was learned."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae train --from OLMoE-1B-7B --text notes.txt --out tuned --mode lora --steps 200",
            "  molae train --from my-model --text src --tokenizer bytes --out tuned --mode experts --lr 1e-4"
        })
public final class TrainCommand implements Callable<Integer> {

    /** Saving a large model takes its time. */
    private static final long GRACE_SECONDS = 1800;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(names = "--from", required = true, paramLabel = "DIR", description = "Folder of the checkpoint.")
    @SuppressWarnings("NullAway.Init") // required
    private Path from;

    @Option(
            names = "--text",
            required = true,
            paramLabel = "FILE|DIR",
            description = "Text to train on: files, folders (every file below), jar or zip archives.")
    @SuppressWarnings("NullAway.Init") // required
    private List<Path> text;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "Folder of the new checkpoint; must not exist yet or be empty.")
    @SuppressWarnings("NullAway.Init") // required
    private Path out;

    @ArgGroup(validate = false, heading = "%nWhat is trained:%n", order = 1)
    private TuningOptions tuning = new TuningOptions();

    @ArgGroup(validate = false, heading = "%nHow:%n", order = 2)
    private HowOptions how = new HowOptions();

    /** Made by picocli. */
    public TrainCommand() {}

    @Override
    public Integer call() throws IOException {
        FineTuning fineTuning = tuning.fineTuning();
        try (Interruption interruption = new Interruption(GRACE_SECONDS)) {
            return interruption.guard(spec.commandLine().getErr(), () -> tune(fineTuning, interruption));
        }
    }

    private int tune(FineTuning fineTuning, Interruption interruption) throws IOException {
        PrintWriter err = spec.commandLine().getErr();
        try (Checkpoint checkpoint = Checkpoints.open(from)) {
            int sequence = how.sequence(checkpoint.spec().maxPositionEmbeddings());
            TrainingConfig config = how.config(sequence, tuning.mode());
            TextCorpus.Split split = split(checkpoint, sequence);
            try (DraftFolder draft = new DraftFolder("checkpoint", out);
                    NDManager manager = NDManager.newBaseManager("PyTorch")) {
                CausalLm model = new Checkpoints.Loading(err, how.quiet, interruption)
                        .forTraining(checkpoint, manager, how.precision);
                manager.getEngine().setRandomSeed(how.seed);
                fineTuning.applyTo(model);
                announce(model, split);
                try (TrainingProgress progress = new TrainingProgress("train", config.steps(), err, how.quiet);
                        MetricsFile metrics = new MetricsFile(draft.file(MetricsFile.NAME))) {
                    Outcome outcome = new Outcome();
                    LmTrainingListener listener = LmTrainingListener.all(List.of(metrics, outcome, progress));
                    train(manager, model, config, split, sequence, listener, outcome, interruption);
                    metrics.close();
                    if (outcome.steps() == 0) {
                        interruption.check();
                    }
                    save(checkpoint, model, draft);
                    Output.print(spec.commandLine(), report(outcome, draft.publish()));
                }
                return interruption.happened() ? Interruption.EXIT_CODE : 0;
            }
        }
    }

    private TextCorpus.Split split(Checkpoint checkpoint, int sequence) throws IOException {
        if (!(how.validationShare > 0 && how.validationShare < 1)) {
            throw new IllegalArgumentException(
                    "--validation-share must be between 0 and 1, got " + how.validationShare);
        }
        TextCorpus corpus = Texts.read(text);
        try (ModelTokenizer tokenizer = ModelTokenizer.open(checkpoint, how.tokenizer)) {
            TextCorpus.Split split = corpus.split(tokenizer.ofDocuments(), how.validationShare, how.seed);
            Texts.checkLength("training", split.train(), sequence);
            Texts.checkLength("validation", split.validation(), sequence);
            Texts.checkBatch(how.batch, split.train(), sequence);
            return split;
        }
    }

    private void announce(CausalLm model, TextCorpus.Split split) {
        long all = 0;
        long trained = 0;
        for (Parameter parameter : model.getParameters().values()) {
            all += parameter.getShape().size();
            trained += parameter.requiresGradient() ? parameter.getShape().size() : 0;
        }
        Output.print(
                spec.commandLine(),
                String.format(
                        Locale.ROOT,
                        "Training %,d of %,d parameters (%s) on %,d tokens; %,d more to validate on.%n",
                        trained,
                        all,
                        tuning.mode(),
                        split.train().length,
                        split.validation().length));
    }

    private void train(
            NDManager manager,
            CausalLm model,
            TrainingConfig config,
            TextCorpus.Split split,
            int sequence,
            LmTrainingListener listener,
            Outcome outcome,
            Interruption interruption) {
        PackedWindows validation = new PackedWindows(split.validation(), sequence, how.seed);
        try (LmTrainer trainer = new LmTrainer(manager, model, config)) {
            interruption.onInterrupt(trainer::stop);
            listener.onEvaluation(trainer.evaluate(validation, 0));
            trainer.train(new PackedWindows(split.train(), sequence, how.seed), validation, listener);
            if (outcome.steps() < config.steps() && outcome.steps() > 0) {
                listener.onEvaluation(trainer.evaluate(validation, outcome.steps()));
            }
        }
    }

    private void save(Checkpoint checkpoint, CausalLm model, DraftFolder draft) throws IOException {
        if (model.numAdapters() > 0) {
            model.mergeLora();
        }
        CheckpointSaver saver = CheckpointSaver.of(model).optOriginal(checkpoint);
        if (how.dtype != null) {
            saver.optType(how.dtype.type);
        }
        saver.save(draft.path());
    }

    private String report(Outcome outcome, Path written) {
        Evaluation before = outcome.firstEvaluation();
        Evaluation after = outcome.lastEvaluation();
        Table table = Table.of("Validation", "", "before", "after")
                .row("loss, nats per token", Cell.number(before.loss(), 4), Cell.number(after.loss(), 4))
                .row("perplexity", Cell.number(Math.exp(before.loss()), 3), Cell.number(Math.exp(after.loss()), 3))
                .build();
        String how = outcome.steps() < this.how.steps ? "Interrupted after" : "Trained";
        return TableFormat.TEXT.write(
                List.of(table),
                List.of(
                        String.format(Locale.ROOT, "%s %,d steps, %,d tokens.", how, outcome.steps(), outcome.tokens()),
                        "Checkpoint: " + written));
    }
}
