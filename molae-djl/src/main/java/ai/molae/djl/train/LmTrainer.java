package ai.molae.djl.train;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.CostModel;
import ai.molae.djl.data.Prefetcher;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.PeakFlops;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Trains a {@link CausalLm}, from scratch or further:
 *
 * <pre>
 *   loss = Σ_labels cross-entropy / labels  +  Σ_passes aux · tokens of the pass / tokens        over all passes of a step
 * </pre>
 *
 * or, with a teacher, {@link DistillationLoss} in the place of the cross-entropy.
 *
 * <pre>{@code
 * try (LmTrainer trainer = LmTrainer.builder()
 *         .setModel(model).setData(train).setConfig(config)
 *         .optValidation(validation)
 *         .optCheckpoints(folder, CheckpointPolicy.standard())
 *         .optListener(listener)
 *         .build()) {
 *     trainer.resume();       // goes on from the latest checkpoint, if there is one
 *     trainer.train();
 * }
 * }</pre>
 *
 * <p>The same model, data, configuration and machine give the same losses, and so does a run that was killed at any moment and resumed: a checkpoint
 * holds parameters, optimizer state and position, and nothing else decides about the next step. The arrays of a step are closed with
 * it, so native memory stays flat. DJL allows one gradient collector per process, hence one trainer at a time. Not thread-safe, but for {@link #stop}.
 */
public final class LmTrainer implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(LmTrainer.class);

    /** How far reading is ahead of training. */
    private static final int PREFETCHED_STEPS = 2;

    private final CausalLm model;
    private final TrainingData data;
    private final TrainingConfig config;
    private final Optional<TrainingData> validation;
    private final LmTrainingListener listener;
    private final Optional<Checkpoint> original;
    private final Optional<Teacher> teacher;
    private final NDManager manager;
    private final Optimizer optimizer;
    private final TrainingStep step;
    private final Optional<CheckpointStore> store;
    private final boolean allowChanges;
    private final double flopsPerToken;
    private double peakFlops = Double.NaN;
    private TrainingState state = TrainingState.start();
    private boolean resumed;
    private volatile boolean stopped;

    private LmTrainer(Builder builder) throws IOException {
        model = require("model", builder.model);
        data = require("data", builder.data);
        config = require("config", builder.config);
        validation = builder.validation;
        listener = builder.listener;
        original = builder.original;
        teacher = builder.teacher;
        teacher.ifPresent(known -> known.check(model, data.sequenceLength()));
        allowChanges = builder.allowChanges;
        flopsPerToken = CostModel.model(model.spec()).trainingFlops(data.sequenceLength());
        if (builder.checkpoints.isPresent()) {
            store = Optional.of(CheckpointStore.open(builder.checkpoints.get(), builder.policy));
        } else {
            store = Optional.empty();
        }
        manager = NDManager.newBaseManager(model.device(), "PyTorch");
        try {
            if (config.checkMemory()) {
                checkMemory();
            }
            optimizer = Optimizers.of(manager, model.parametersByPath(), config.optimizer(), config.parameterGroups());
            step = new TrainingStep(manager, model, config, teacher, optimizer);
        } catch (RuntimeException e) {
            close(store);
            manager.close();
            throw e;
        }
    }

    private void checkMemory() {
        MemoryEstimate estimate = MemoryEstimate.of(model, data, config, teacher.isPresent());
        LOG.info("memory of a training step: {}", estimate);
        MemoryEstimate.available(model.device()).ifPresent(estimate::check);
    }

    private static <T> T require(String name, Optional<T> value) {
        return value.orElseThrow(() -> new IllegalArgumentException("a trainer needs a " + name + "; use the builder"));
    }

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Goes back to the latest checkpoint of the folder, so that {@link #train} continues there.
     *
     * @return the checkpoint, or empty if there is none yet
     * @throws CorruptCheckpointException if it is damaged; the message names the one before it. Nothing is changed then
     * @throws IllegalArgumentException if the model, the optimizer, the data or another setting is not what it was; nothing is changed then
     * @throws IllegalStateException if the trainer has no folder for checkpoints
     * @throws IOException if reading fails
     */
    public Optional<Path> resume() throws IOException {
        Optional<CheckpointStore.Entry> latest = theStore().latest();
        if (latest.isEmpty()) {
            return Optional.empty();
        }
        try {
            resume(latest.get().folder());
        } catch (CorruptCheckpointException e) {
            throw new CorruptCheckpointException(
                    latest.get().folder(), e.problem() + theStore().before(latest.get()), e);
        }
        return Optional.of(latest.get().folder());
    }

    /**
     * Goes back to a checkpoint. Later ones in the folder are put aside, renamed to {@code *.abandoned}.
     *
     * @param folder the checkpoint, of this trainer's folder or of another run
     * @throws CorruptCheckpointException if it is damaged; nothing is changed then
     * @throws IllegalArgumentException if the model, the optimizer, the data or another setting is not what it was; nothing is changed then
     * @throws IllegalStateException if the trainer has no folder for checkpoints
     * @throws IOException if reading fails
     */
    public void resume(Path folder) throws IOException {
        CheckpointStore checkpoints = theStore();
        TrainingCheckpoint checkpoint = TrainingCheckpoint.open(folder);
        checkpoint.check(model);
        String changed = Differences.of(checkpoint.settings(), settings());
        if (!changed.isEmpty()) {
            if (!allowChanges) {
                throw new IllegalArgumentException(folder + " was made with other settings: " + changed
                        + "; set them back, or accept the changes with optAllowChanges(true)");
            }
            LOG.warn("resuming {} with other settings: {}", folder, changed);
        }
        checkpoint.restore(model, optimizer);
        checkpoint.warnOfVersions(model);
        state = checkpoint.state();
        checkpoints.abandonAfter(state.step());
        checkpoints.findBest();
        resumed = true;
        LOG.info("resumed {} at step {}", folder, state.step());
    }

    private CheckpointStore theStore() {
        return store.orElseThrow(() -> new IllegalStateException(
                "this trainer has no folder for checkpoints; give it one with optCheckpoints"));
    }

    private Map<String, String> settings() {
        return RunSettings.of(model, data, config, teacher);
    }

    /**
     * Trains until all steps are done or {@link #stop} is called, then evaluates once more, if not stopped, and writes a last checkpoint.
     *
     * @throws TrainingDivergedException if the loss or the gradient becomes NaN or infinite, with the path of the first such
     *     parameter or gradient; the parameters are those of the step before. Or if the loss rises far above its lowest
     * @throws IllegalStateException if the folder holds checkpoints of a run that was not resumed, or another thread of this process trains:
     *     autograd has one graph being recorded at a time
     * @throws CancellationException if the thread is interrupted: after the step it is in, and a last checkpoint
     * @throws IOException if a checkpoint cannot be written; the ones before are intact
     */
    public void train() throws IOException {
        try (TrainingTurn alone = TrainingTurn.take()) {
            trainAlone();
        }
    }

    private void trainAlone() throws IOException {
        boolean interrupted = false;
        if (!resumed && store.isPresent()) {
            store.get().refuseRun();
        }
        if (config.measurePeak() && Double.isNaN(peakFlops)) {
            peakFlops = PeakFlops.measure(model.precision(), model.device());
        }
        optimizer.zeroGradients();
        listener.onStart(state.step());
        long checkpointed = resumed ? state.step() : -1;
        long lastCheckpoint = System.nanoTime();
        try (Prefetcher batches = new Prefetcher(
                data, state.position(), config.batchSize(), PREFETCHED_STEPS * config.gradientAccumulation())) {
            evaluateIfDue();
            while (!done() && !stopped) {
                interrupted = !stepUnlessInterrupted(batches);
                evaluateIfDue();
                // Taken back for now: files that an interrupted thread writes are closed under it.
                interrupted |= Thread.interrupted();
                stopped |= interrupted;
                Duration since = Duration.ofNanos(System.nanoTime() - lastCheckpoint);
                if (!interrupted && store.isPresent() && store.get().isDue(state.step(), since)) {
                    checkpoint(store.get());
                    checkpointed = state.step();
                    lastCheckpoint = System.nanoTime();
                }
            }
            if (store.isPresent() && checkpointed != state.step()) {
                checkpoint(store.get());
            }
        } finally {
            listener.onEnd();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
            throw new CancellationException(
                    "the training was interrupted after step " + state.step() + lastCheckpoint());
        }
    }

    /**
     * Makes a step, or none if the thread was interrupted before it or while it waited for a batch; the interrupt is taken back.
     *
     * @return whether the step was made
     */
    private boolean stepUnlessInterrupted(Prefetcher batches) {
        if (Thread.interrupted()) {
            return false;
        }
        try {
            step(batches);
            return true;
        } catch (CancellationException e) {
            if (!Thread.interrupted()) {
                throw e;
            }
            return false;
        }
    }

    /** An evaluation that was left out because training was stopped is made up for when it goes on. */
    private void evaluateIfDue() {
        boolean due = config.evaluateEvery() > 0 && state.step() % config.evaluateEvery() == 0;
        if (state.step() > 0 && (due || done()) && !stopped) {
            evaluateOnce();
        }
    }

    private void evaluateOnce() {
        if (!state.evaluated()) {
            evaluate().ifPresent(this::evaluated);
        }
    }

    private boolean done() {
        return state.step() >= config.steps() || state.tokens() >= config.tokens();
    }

    /** Makes {@link #train} end after the step it is in, with a checkpoint. May be called from any thread. */
    public void stop() {
        stopped = true;
    }

    private void step(Prefetcher batches) {
        long start = System.nanoTime();
        List<TokenBatch> passes = new ArrayList<>();
        for (int pass = 0; pass < config.gradientAccumulation(); pass++) {
            passes.add(batches.next());
        }
        TrainingStep.Result made;
        try {
            made = step.make(passes, state);
        } catch (TrainingDivergedException e) {
            throw new TrainingDivergedException(e.step(), e.getMessage() + ". " + advice());
        }
        DivergenceGuard.Level level = DivergenceGuard.next(state, made);
        double seconds = (System.nanoTime() - start) * 1e-9;
        state = state.after(
                made.tokens(), passes.stream().mapToInt(TokenBatch::sequences).sum(), seconds, level);
        listener.onStep(new LmTrainingListener.Step(
                state.step(),
                plannedSteps(),
                made.loss(),
                made.auxLoss(),
                made.gradientNorm(),
                made.learningRate(),
                state.tokens(),
                made.tokens(),
                seconds,
                state.trainingSeconds(),
                flopsPerToken * made.tokens() / seconds / peakFlops,
                NativeMemory.inUse(),
                made.routing()));
        if (DivergenceGuard.diverged(level, config.divergenceMargin())) {
            throw new TrainingDivergedException(
                    state.step(), DivergenceGuard.describe(state.step(), level) + ". " + advice());
        }
    }

    private String advice() {
        return "Lower the learning rate or lengthen the warm-up" + lastCheckpoint();
    }

    /** The end of a sentence, and one about the last checkpoint if there is one. */
    private String lastCheckpoint() {
        try {
            if (store.isPresent() && store.get().latest().isPresent()) {
                return ". The last checkpoint is " + store.get().latest().get().folder() + ".";
            }
        } catch (IOException e) {
            LOG.warn("cannot list the checkpoints", e);
        }
        return ".";
    }

    private long plannedSteps() {
        if (config.tokens() == Long.MAX_VALUE) {
            return config.steps();
        }
        double tokensPerStep = (double) state.tokens() / state.step();
        return Math.min(config.steps(), (long) Math.ceil(config.tokens() / tokensPerStep));
    }

    private void checkpoint(CheckpointStore checkpoints) throws IOException {
        if (checkpoints.keepsBest() && !stopped) {
            evaluateOnce();
        }
        listener.beforeCheckpoint(state.step());
        Path folder = checkpoints.write(model, optimizer, state, settings(), original);
        listener.onCheckpoint(state.step(), folder);
    }

    /**
     * The mean cross-entropy of the validation data, in their order.
     *
     * @return what it found; empty without validation data. The configuration says how many batches of it
     */
    public Optional<LmTrainingListener.Evaluation> evaluate() {
        return validation.map(this::evaluate);
    }

    private LmTrainingListener.Evaluation evaluate(TrainingData held) {
        long sequences = config.evaluationBatches() == 0
                ? Long.MAX_VALUE
                : (long) config.evaluationBatches() * config.batchSize();
        ValidationLoss loss = ValidationLoss.of(model, held, config.batchSize(), sequences);
        return new LmTrainingListener.Evaluation(state.step(), loss.nats(), loss.labels());
    }

    private void evaluated(LmTrainingListener.Evaluation evaluation) {
        state = state.validated(evaluation.loss());
        listener.onEvaluation(evaluation);
    }

    /**
     * How far training is.
     *
     * @return optimizer steps done
     */
    public long step() {
        return state.step();
    }

    /** Frees the optimizer's state. The model stays. */
    @Override
    public void close() {
        optimizer.close();
        manager.close();
        close(store);
    }

    private static void close(Optional<CheckpointStore> store) {
        store.ifPresent(open -> {
            try {
                open.close();
            } catch (IOException e) {
                LOG.warn("cannot close the folder of the checkpoints", e);
            }
        });
    }

    /** Builds an {@link LmTrainer}. */
    public static final class Builder {
        private Optional<CausalLm> model = Optional.empty();
        private Optional<TrainingData> data = Optional.empty();
        private Optional<TrainingConfig> config = Optional.empty();
        private Optional<TrainingData> validation = Optional.empty();
        private Optional<Path> checkpoints = Optional.empty();
        private Optional<Checkpoint> original = Optional.empty();
        private Optional<Teacher> teacher = Optional.empty();
        private boolean allowChanges;
        private CheckpointPolicy policy = CheckpointPolicy.standard();
        private LmTrainingListener listener = new LmTrainingListener() {};

        private Builder() {}

        /**
         * Sets what is trained.
         *
         * @param model an initialised model, changed in place; which of its parameters train must be settled
         * @return this builder
         */
        public Builder setModel(CausalLm model) {
            this.model = Optional.of(model);
            return this;
        }

        /**
         * Sets what it is trained on.
         *
         * @param data the sequences
         * @return this builder
         */
        public Builder setData(TrainingData data) {
            this.data = Optional.of(data);
            return this;
        }

        /**
         * Sets how it is trained.
         *
         * @param config the configuration
         * @return this builder
         */
        public Builder setConfig(TrainingConfig config) {
            this.config = Optional.of(config);
            return this;
        }

        /**
         * Sets what it is evaluated on (default nothing).
         *
         * @param validation sequences that are not trained on
         * @return this builder
         */
        public Builder optValidation(TrainingData validation) {
            this.validation = Optional.of(validation);
            return this;
        }

        /**
         * Sets who is told (default nobody).
         *
         * @param listener called on the training thread
         * @return this builder
         */
        public Builder optListener(LmTrainingListener listener) {
            this.listener = listener;
            return this;
        }

        /**
         * Sets where checkpoints are written (default nowhere).
         *
         * @param folder of this run alone; made if there is none
         * @param policy when, and which are kept
         * @return this builder
         */
        public Builder optCheckpoints(Path folder, CheckpointPolicy policy) {
            checkpoints = Optional.of(folder);
            this.policy = policy;
            return this;
        }

        /**
         * Sets where the model came from, whose layout and tokenizer the checkpoints get.
         *
         * @param original open for as long as the trainer
         * @return this builder
         */
        public Builder optOriginal(Checkpoint original) {
            this.original = Optional.of(original);
            return this;
        }

        /**
         * Sets whose logits are learned from as well (default nobody's). Every pass runs the teacher first, as in inference. What is evaluated
         * is the cross-entropy as ever.
         *
         * @param model another model of the same vocabulary, on the same device, open for as long as the trainer; may be prepared for
         *     inference. It is not changed
         * @param loss the temperature, and how much the teacher counts
         * @return this builder
         */
        public Builder optTeacher(CausalLm model, DistillationLoss loss) {
            teacher = Optional.of(new Teacher(model, loss));
            return this;
        }

        /**
         * Sets whether a checkpoint may be resumed with another configuration or other data (default false); the model and the
         * optimizer's state must fit in any case.
         *
         * @param allowChanges true to warn only
         * @return this builder
         */
        public Builder optAllowChanges(boolean allowChanges) {
            this.allowChanges = allowChanges;
            return this;
        }

        /**
         * Builds the trainer.
         *
         * @return the trainer, the caller's to close
         * @throws IllegalArgumentException if something is missing, nothing can be trained, the teacher has another vocabulary, or the memory
         *     does not suffice
         * @throws IOException if the folder cannot be written to, or another trainer has it open
         */
        public LmTrainer build() throws IOException {
            return new LmTrainer(this);
        }
    }
}
