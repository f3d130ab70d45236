package ai.molae.cli.train;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.work.DraftFolder;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.cli.work.TrainingProgress;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TokenDocuments;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.train.FineTuning;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.djl.train.metrics.MetricsFile;
import ai.molae.djl.train.metrics.TensorBoardFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import picocli.CommandLine;

/** A run of training, new or continued, from its options to the saved model. */
final class TrainingRun {

    /** A checkpoint of a large model takes its time. */
    private static final long GRACE_SECONDS = 1800;

    /**
     * Where a run goes on.
     *
     * @param step a checkpoint's; empty for the latest
     * @param allowChanges whether other options are accepted
     */
    record Resumption(OptionalLong step, boolean allowChanges) {}

    /** Everything that is read before the first step. */
    private record Inputs(ModelSource source, RunData data, PackedWindows windows, TrainingConfig config) {}

    private final RunOptions options;
    private final String settings;
    private final CommandLine console;
    private final boolean quiet;

    /**
     * Prepares a run.
     *
     * @param options what to do
     * @param settings the same as {@code run.json} has it
     * @param console where is printed
     * @param quiet to show no progress
     */
    TrainingRun(RunOptions options, String settings, CommandLine console, boolean quiet) {
        this.options = options;
        this.settings = settings;
        this.console = console;
        this.quiet = quiet;
    }

    /** A new run in a folder of its own. */
    int start(Path out) throws IOException {
        return guarded(interruption -> read(interruption, inputs -> {
            RunFolder folder = RunFolder.create(out);
            try {
                folder.writeSettings(settings);
                return run(inputs, folder, Optional.empty(), interruption);
            } finally {
                if (folder.steps().isEmpty() && !Files.exists(folder.metrics())) {
                    folder.discard();
                }
            }
        }));
    }

    /** A run that was stopped, however. */
    int resume(RunFolder folder, Resumption resumption) throws IOException {
        if (resumption.step().isPresent()) {
            folder.checkpoint(resumption.step().getAsLong());
        }
        return guarded(interruption ->
                read(interruption, inputs -> run(inputs, folder, Optional.of(resumption), interruption)));
    }

    private interface Work {
        int run(Interruption interruption) throws IOException;
    }

    private interface WorkWithInputs {
        int run(Inputs inputs) throws IOException;
    }

    private int guarded(Work work) throws IOException {
        try (Interruption interruption = new Interruption(GRACE_SECONDS)) {
            return interruption.guard(console.getErr(), () -> work.run(interruption));
        }
    }

    /** Reads everything and checks it before anything is written. */
    private int read(Interruption interruption, WorkWithInputs work) throws IOException {
        options.tuning.fineTuning();
        options.checkpoints.policy();
        options.data.check();
        try (ModelSource source = ModelSource.open(options.model, options.latent);
                RunData data = RunData.open(options.data, source, options.sequence(source), options.execution.seed)) {
            PackedWindows windows = data.windows(data.train());
            TrainingConfig config = options.config(data, windows);
            interruption.check();
            return work.run(new Inputs(source, data, windows, config));
        }
    }

    private int run(Inputs inputs, RunFolder folder, Optional<Resumption> resumption, Interruption interruption)
            throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = model(inputs, manager, folder.steps().isEmpty(), interruption);
            announce(model, inputs.data());
            RunReport report = new RunReport(folder, settings);
            boolean trained;
            try {
                trained = train(inputs, model, folder, resumption, interruption);
            } catch (IOException | RuntimeException e) {
                try {
                    report.writeHtml();
                } catch (RuntimeException second) {
                    e.addSuppressed(second); // what ended training matters more
                }
                throw e;
            }
            report.writeHtml();
            if (interruption.happened()) {
                Output.print(console, report.interrupted());
                return Interruption.EXIT_CODE;
            }
            save(inputs, model, folder);
            Output.print(console, report.finished(trained));
            return 0;
        }
    }

    private CausalLm model(Inputs inputs, NDManager manager, boolean values, Interruption interruption) {
        CausalLm model = values
                ? inputs.source()
                        .make(
                                manager,
                                options.execution.precision,
                                options.execution.seed,
                                new Checkpoints.Loading(console.getErr(), quiet, interruption))
                : inputs.source().shape(manager, options.execution.precision);
        manager.getEngine().setRandomSeed(options.execution.seed);
        FineTuning fineTuning = options.tuning.fineTuning();
        fineTuning.applyTo(model);
        model.setRecompute(options.execution.recompute);
        model.setDropout(options.execution.dropout);
        return model;
    }

    private void announce(CausalLm model, RunData data) {
        long all = 0;
        long trained = 0;
        for (Parameter parameter : model.getParameters().values()) {
            all += parameter.getShape().size();
            trained += parameter.requiresGradient() ? parameter.getShape().size() : 0;
        }
        Output.print(
                console,
                String.format(
                        Locale.ROOT,
                        "Training %,d of %,d parameters (%s) on %,d tokens; %,d more to validate on.%n",
                        trained,
                        all,
                        options.tuning.mode(),
                        data.train().tokens(),
                        data.validation().map(TokenDocuments::tokens).orElse(0L)));
    }

    /** Whether there was anything left to do. */
    private boolean train(
            Inputs inputs, CausalLm model, RunFolder folder, Optional<Resumption> resumption, Interruption interruption)
            throws IOException {
        RunData data = inputs.data();
        List<LmTrainingListener> listeners = new ArrayList<>();
        try (TrainingProgress progress = new TrainingProgress("train", plannedSteps(inputs), console.getErr(), quiet);
                MetricsFile metrics = new MetricsFile(folder.metrics());
                TensorBoardFile tensorBoard = new TensorBoardFile(folder.tensorBoard())) {
            listeners.add(metrics);
            if (!options.execution.noTensorBoard) {
                listeners.add(tensorBoard);
            }
            listeners.add(progress);
            LmTrainingListener listener = LmTrainingListener.all(listeners);
            LmTrainer.Builder builder = LmTrainer.builder()
                    .setModel(model)
                    .setData(inputs.windows())
                    .setConfig(inputs.config())
                    .optCheckpoints(folder.checkpoints(), options.checkpoints.policy())
                    .optAllowChanges(resumption.map(Resumption::allowChanges).orElse(false))
                    .optListener(listener);
            data.validation().ifPresent(held -> builder.optValidation(data.windows(held)));
            inputs.source().original().ifPresent(builder::optOriginal);
            try (LmTrainer trainer = builder.build()) {
                interruption.onInterrupt(trainer::stop);
                boolean resumed = resumption.isPresent() && resume(trainer, folder, resumption.get());
                if (!resumed) {
                    // Of a run that was killed before its first checkpoint nothing counts.
                    Files.deleteIfExists(folder.metrics());
                    interruption.check();
                    trainer.evaluate().ifPresent(listener::onEvaluation);
                }
                if (resumption.isPresent()) {
                    folder.writeSettings(settings);
                }
                long before = trainer.step();
                trainer.train();
                return trainer.step() > before;
            }
        }
    }

    private boolean resume(LmTrainer trainer, RunFolder folder, Resumption resumption) throws IOException {
        try {
            if (resumption.step().isPresent()) {
                trainer.resume(folder.checkpoint(resumption.step().getAsLong()));
                return true;
            }
            return trainer.resume().isPresent();
        } catch (IllegalArgumentException e) {
            if (resumption.allowChanges()) {
                throw e;
            }
            throw new IllegalArgumentException(e.getMessage() + " (on the command line: --allow-changes)", e);
        }
    }

    /** How many steps there will be, about. */
    private static long plannedSteps(Inputs inputs) {
        TrainingConfig config = inputs.config();
        double perStep = (double) config.batchSize()
                * config.gradientAccumulation()
                * inputs.data().tokensPerWindow(inputs.windows());
        return config.tokens() == Long.MAX_VALUE
                ? config.steps()
                : Math.min(config.steps(), (long) Math.ceil(config.tokens() / perStep));
    }

    private void save(Inputs inputs, CausalLm model, RunFolder folder) throws IOException {
        if (model.numAdapters() > 0) {
            model.mergeLora();
        }
        CheckpointSaver saver = CheckpointSaver.of(model);
        inputs.source().original().ifPresent(saver::optOriginal);
        SavedType dtype = options.execution.dtype;
        if (dtype != null) {
            saver.optType(dtype.type);
        }
        try (DraftFolder draft = DraftFolder.replacing("model", folder.model())) {
            saver.save(draft.path());
            for (Path file : inputs.data().tokenizerFiles()) {
                Files.copy(file, draft.file(file.getFileName().toString()), StandardCopyOption.REPLACE_EXISTING);
            }
            draft.publish();
        }
    }
}
