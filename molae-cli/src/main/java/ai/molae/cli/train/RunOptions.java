package ai.molae.cli.train;

import ai.molae.cli.options.LatentOptions;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.train.TrainingConfig;
import picocli.CommandLine.ArgGroup;

/** Everything that decides what a training run does; {@code run.json} holds no more and no less. */
abstract class RunOptions {

    private static final int USUAL_STEPS = 100;
    private static final int USUAL_BATCH = 4;
    private static final int USUAL_SEQUENCE = 256;
    private static final double USUAL_RATE = 1e-3;
    private static final double USUAL_DECAY = 0.1;

    @ArgGroup(validate = false, heading = "%nThe model, one of the first three:%n", order = 1)
    ModelOptions model = new ModelOptions();

    @ArgGroup(validate = false, heading = "%nHow its MoE layers are factored, if they are to be:%n", order = 2)
    LatentOptions latent = new LatentOptions();

    @ArgGroup(validate = false, heading = "%nWhat of it is trained:%n", order = 3)
    TuningOptions tuning = new TuningOptions();

    @ArgGroup(validate = false, heading = "%nThe data:%n", order = 4)
    DataOptions data = new DataOptions();

    @ArgGroup(validate = false, heading = "%nHow long, and with which learning rate:%n", order = 5)
    ScheduleOptions schedule = new ScheduleOptions();

    @ArgGroup(validate = false, heading = "%nThe optimizer:%n", order = 6)
    OptimizerOptions optimizer = new OptimizerOptions();

    @ArgGroup(validate = false, heading = "%nCheckpoints:%n", order = 7)
    CheckpointOptions checkpoints = new CheckpointOptions();

    @ArgGroup(validate = false, heading = "%nHow it is done:%n", order = 8)
    ExecutionOptions execution = new ExecutionOptions();

    /** Tokens of a window of a model. */
    int sequence(ModelSource source) {
        int usual = model.preset == null ? USUAL_SEQUENCE : model.preset.sequenceLength;
        return data.sequence(usual, source.spec().maxPositionEmbeddings());
    }

    /** The trainer's configuration for data. */
    TrainingConfig config(RunData data, PackedWindows windows) {
        int batch = schedule.batch(model.preset == null ? USUAL_BATCH : model.preset.batchSize);
        if (batch > windows.size()) {
            throw new IllegalArgumentException("--batch " + batch + " exceeds the " + windows.size()
                    + " windows of the training text; give more text, or a smaller --batch or --sequence");
        }
        ScheduleOptions.Plan plan = schedule.plan(
                model.preset == null ? USUAL_STEPS : model.preset.steps, batch * data.tokensPerWindow(windows));
        TrainingConfig.Builder config = TrainingConfig.builder()
                .setSteps(plan.steps())
                .setTokens(plan.tokens())
                .setBatchSize(batch)
                .optGradientAccumulation(schedule.accumulate)
                .optSchedule(schedule.schedule(plan, usualRate()))
                // Weight decay would pull what was learned before towards zero.
                .optOptimizer(optimizer.optimizer(model.from == null ? USUAL_DECAY : 0))
                .optMaxGradientNorm(optimizer.clip);
        if (optimizer.biasUpdate != null) {
            config.optBiasUpdateSpeed(optimizer.biasUpdate);
        }
        optimizer.parameterGroups(plan).forEach(config::addParameterGroup);
        execution.configure(config, plan, (long) batch * data.sequence());
        return config.build();
    }

    private double usualRate() {
        if (model.from != null || tuning.mode() != TuningOptions.Mode.FULL) {
            return tuning.mode().learningRate;
        }
        return model.preset == null ? USUAL_RATE : model.preset.learningRate;
    }
}
