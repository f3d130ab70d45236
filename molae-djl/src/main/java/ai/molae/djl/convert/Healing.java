package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.torch.Freezing;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.Telemetry;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.CheckpointPolicy;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.TrainingConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A few hundred steps of training that give a converted model back what its factorisation lost: on text, and if there is a teacher, such as
 * the model before the conversion, on its logits.
 *
 * <pre>{@code
 * Healing healing = Healing.builder()
 *         .setData(train).setSteps(300)
 *         .optValidation(held)
 *         .optTeacher(original, new DistillationLoss(1, 0.5))
 *         .build();
 * Healing.Result result = healing.heal(converted);
 * }</pre>
 *
 * <p>AdamW without weight decay, a warm-up over a tenth of the steps and a cosine to a tenth of the learning rate. The data decide about the
 * length of the sequences.
 */
public final class Healing {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /** The default learning rate times the hidden size: what suits Adam falls with the width of a model (Yang et al., arXiv 2203.03466). */
    private static final double RATE_TIMES_WIDTH = 0.2;

    /** Sequences of a step unless another number is set. */
    public static final int DEFAULT_BATCH_SIZE = 8;

    private static final double WARMUP = 0.1;
    private static final double LAST_RATE = 0.1;

    /** What of a model is trained. */
    public enum Trained {
        /** In the factored layers the projections of the groups, and the stacks of the operators that are factored. */
        FACTORS,
        /** The stacks of all routed experts, with the projections. */
        EXPERTS,
        /** Every parameter. */
        ALL
    }

    /**
     * What healing did.
     *
     * @param steps optimizer steps done, those before a resumption included
     * @param before mean cross-entropy of the validation data before the first step, in nats per label; empty without these
     * @param after the same of the model as it is now
     * @param stopped whether {@link Healing#stop} ended it early
     */
    public record Result(long steps, OptionalDouble before, OptionalDouble after, boolean stopped) {}

    private final TrainingData data;
    private final long steps;
    private final int batchSize;
    private final int gradientAccumulation;
    private final OptionalDouble learningRate;
    private final Trained trained;
    private final Optional<TrainingData> validation;
    private final Optional<TeacherModel> teacher;
    private final Optional<Path> checkpoints;
    private final CheckpointPolicy policy;
    private final LmTrainingListener listener;
    private final long seed;
    private final boolean checkMemory;
    private @Nullable LmTrainer running;
    private boolean stopped;

    private record TeacherModel(CausalLm model, DistillationLoss loss) {}

    private Healing(Builder builder) {
        data = builder.data.orElseThrow(() -> new IllegalArgumentException("healing needs data; use setData"));
        steps = builder.steps;
        if (steps < 1) {
            throw new IllegalArgumentException("healing needs at least 1 step, got " + steps + "; use setSteps");
        }
        batchSize = builder.batchSize;
        gradientAccumulation = builder.gradientAccumulation;
        learningRate = builder.learningRate;
        learningRate.ifPresent(rate -> {
            if (!(rate > 0 && rate <= Double.MAX_VALUE)) {
                throw new IllegalArgumentException(
                        "the learning rate of healing must be positive and finite, got " + rate);
            }
        });
        trained = builder.trained;
        validation = builder.validation;
        teacher = builder.teacher;
        checkpoints = builder.checkpoints;
        policy = builder.policy;
        listener = builder.listener;
        seed = builder.seed;
        checkMemory = builder.checkMemory;
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
     * Heals a model in place. Which of its parameters train is afterwards as it was before.
     *
     * @param model a converted model with float32 parameters
     * @return what it did
     * @throws IllegalArgumentException if nothing is to be trained (no layer is factored, or is a MoE layer), the teacher does not fit, or the
     *     memory does not suffice
     * @throws IllegalStateException if the model is prepared for inference, has no values or has adapters
     * @throws ai.molae.djl.train.TrainingDivergedException if the loss rises; a smaller learning rate helps
     * @throws IOException if a checkpoint of the training cannot be written or read
     */
    public Result heal(CausalLm model) throws IOException {
        if (model.preparedPrecision().isPresent() || !model.isInitialized() || model.numAdapters() > 0) {
            throw new IllegalStateException("healing needs a model with float32 parameters and without adapters");
        }
        Set<Parameter> parameters = HealedParameters.of(model, trained);
        Set<Parameter> before = HealedParameters.trained(model);
        Freezing.train(model, parameters::contains);
        try {
            return train(model);
        } finally {
            Freezing.train(model, before::contains);
        }
    }

    /**
     * Heals a converted checkpoint: loads it, trains it, and puts the trained weights in the place of the old ones, in the same element type. If
     * it is stopped the folder stays as it was; checkpoints of the training, if there is a place for them, let the next call go on.
     *
     * @param folder the checkpoint
     * @param precision the arithmetic of the products
     * @return what it did
     * @throws IllegalArgumentException as {@link #heal(CausalLm)}
     * @throws IOException if reading or writing fails
     */
    public Result heal(Path folder, Precision precision) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            CausalLm model = checkpoint.load(manager, precision);
            Result result = heal(model);
            if (!result.stopped()) {
                CheckpointSaver.of(model).optOriginal(checkpoint).save(folder);
            }
            return result;
        }
    }

    private Result train(CausalLm model) throws IOException {
        LastEvaluation last = new LastEvaluation();
        LmTrainer.Builder builder = LmTrainer.builder()
                .setModel(model)
                .setData(data)
                .setConfig(config(model))
                .optListener(LmTrainingListener.all(List.of(last, listener)));
        validation.ifPresent(builder::optValidation);
        teacher.ifPresent(known -> builder.optTeacher(known.model(), known.loss()));
        checkpoints.ifPresent(folder -> builder.optCheckpoints(folder, policy));
        try (LmTrainer trainer = builder.build()) {
            begin(trainer);
            OptionalDouble before = loss(trainer);
            if (checkpoints.isPresent()) {
                trainer.resume();
            }
            trainer.train();
            boolean early = trainer.step() < steps;
            OptionalDouble after = early || last.loss.isEmpty() ? loss(trainer) : last.loss;
            return new Result(trainer.step(), before, after, early);
        } finally {
            end();
        }
    }

    private static OptionalDouble loss(LmTrainer trainer) {
        return trainer.evaluate().stream()
                .mapToDouble(LmTrainingListener.Evaluation::loss)
                .findFirst();
    }

    private TrainingConfig config(CausalLm model) {
        double rate = learningRate.orElse(RATE_TIMES_WIDTH / model.spec().hiddenSize());
        long tokens = steps * batchSize * gradientAccumulation * data.sequenceLength();
        return TrainingConfig.builder()
                .setSteps(steps)
                .setBatchSize(batchSize)
                .optGradientAccumulation(gradientAccumulation)
                .optSchedule(
                        LearningRateSchedule.warmupCosine(rate, LAST_RATE * rate, (long) (WARMUP * tokens), tokens))
                .optOptimizer(AdamWSpec.builder().optWeightDecay(0).build())
                .optSeed(seed)
                .optCheckMemory(checkMemory)
                .build();
    }

    private synchronized void begin(LmTrainer trainer) {
        running = trainer;
        if (stopped) {
            trainer.stop();
        }
    }

    private synchronized void end() {
        running = null;
    }

    /** Makes healing end after the step it is in, for good. May be called from any thread. */
    public synchronized void stop() {
        stopped = true;
        if (running != null) {
            running.stop();
        }
    }

    /** Remembers what the trainer found at its end. */
    private static final class LastEvaluation implements LmTrainingListener {
        OptionalDouble loss = OptionalDouble.empty();

        @Override
        public void onEvaluation(Evaluation evaluation) {
            loss = OptionalDouble.of(evaluation.loss());
        }
    }

    /** Builds a {@link Healing}. */
    public static final class Builder {
        private Optional<TrainingData> data = Optional.empty();
        private long steps;
        private int batchSize = DEFAULT_BATCH_SIZE;
        private int gradientAccumulation = 1;
        private OptionalDouble learningRate = OptionalDouble.empty();
        private Trained trained = Trained.FACTORS;
        private Optional<TrainingData> validation = Optional.empty();
        private Optional<TeacherModel> teacher = Optional.empty();
        private Optional<Path> checkpoints = Optional.empty();
        private CheckpointPolicy policy = CheckpointPolicy.standard();
        private LmTrainingListener listener = new LmTrainingListener() {};
        private long seed;
        private boolean checkMemory = true;

        private Builder() {}

        /**
         * Sets what is trained on.
         *
         * @param data the sequences
         * @return this builder
         */
        public Builder setData(TrainingData data) {
            this.data = Optional.of(data);
            return this;
        }

        /**
         * Sets how long.
         *
         * @param steps optimizer steps
         * @return this builder
         */
        public Builder setSteps(long steps) {
            this.steps = steps;
            return this;
        }

        /**
         * Sets the sequences of a pass (default 8).
         *
         * @param batchSize B
         * @return this builder
         */
        public Builder optBatchSize(int batchSize) {
            this.batchSize = batchSize;
            return this;
        }

        /**
         * Sets the passes of a step (default 1).
         *
         * @param gradientAccumulation the passes
         * @return this builder
         */
        public Builder optGradientAccumulation(int gradientAccumulation) {
            this.gradientAccumulation = gradientAccumulation;
            return this;
        }

        /**
         * Sets the highest learning rate (default 0.2 divided by the hidden size).
         *
         * @param learningRate the rate
         * @return this builder
         */
        public Builder optLearningRate(double learningRate) {
            this.learningRate = OptionalDouble.of(learningRate);
            return this;
        }

        /**
         * Sets what is trained (default the factors).
         *
         * @param trained which parameters
         * @return this builder
         */
        public Builder optTrained(Trained trained) {
            this.trained = trained;
            return this;
        }

        /**
         * Sets what the loss is measured on before and after (default nothing).
         *
         * @param validation sequences that are not trained on
         * @return this builder
         */
        public Builder optValidation(TrainingData validation) {
            this.validation = Optional.of(validation);
            return this;
        }

        /**
         * Sets whose logits are learned from as well (default nobody's).
         *
         * @param model the model before the conversion; may be prepared for inference. It is not changed
         * @param loss the temperature, and how much the teacher counts
         * @return this builder
         */
        public Builder optTeacher(CausalLm model, DistillationLoss loss) {
            teacher = Optional.of(new TeacherModel(model, loss));
            return this;
        }

        /**
         * Sets where checkpoints of the training are written and resumed from (default nowhere).
         *
         * @param folder of this healing alone; made if there is none
         * @param policy when, and which are kept
         * @return this builder
         */
        public Builder optCheckpoints(Path folder, CheckpointPolicy policy) {
            checkpoints = Optional.of(folder);
            this.policy = policy;
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
         * Sets the seed (default 0).
         *
         * @param seed the seed
         * @return this builder
         */
        public Builder optSeed(long seed) {
            this.seed = seed;
            return this;
        }

        /**
         * Sets whether training that cannot fit into memory is refused before its first step (default true).
         *
         * @param checkMemory false to try nevertheless
         * @return this builder
         */
        public Builder optCheckMemory(boolean checkMemory) {
            this.checkMemory = checkMemory;
            return this;
        }

        /**
         * Builds the healing.
         *
         * @return the healing
         * @throws IllegalArgumentException if the data or the steps are missing, or a number is out of range
         */
        public Healing build() {
            return new Healing(this);
        }
    }
}
