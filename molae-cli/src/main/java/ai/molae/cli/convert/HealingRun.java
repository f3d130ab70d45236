package ai.molae.cli.convert;

import ai.djl.ndarray.NDManager;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.TrainingProgress;
import ai.molae.djl.convert.Healing;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.CheckpointPolicy;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;

/** Trains the converted model. */
final class HealingRun {

    private final ConvertCommand options;
    private final PrintWriter err;
    private final Interruption interruption;

    HealingRun(ConvertCommand options, PrintWriter err, Interruption interruption) {
        this.options = options;
        this.err = err;
        this.interruption = interruption;
    }

    /**
     * The text that is healed on.
     *
     * @throws IllegalArgumentException if it is too short for a batch
     */
    PackedWindows windows(Checkpoint source) throws IOException {
        HealingOptions healing = options.healing;
        PackedWindows windows = healing.text().isEmpty()
                ? options.texts.windows("--calibrate", options.calibration.text(), source)
                : options.texts.windows("--heal-text", healing.text(), source);
        if (healing.batch() > windows.size()) {
            throw new IllegalArgumentException("--heal-batch " + healing.batch() + " exceeds the " + windows.size()
                    + " windows of the text; give more text, or a smaller --heal-batch or --sequence");
        }
        return windows;
    }

    /**
     * Heals, or goes on with it.
     *
     * @param source the original model, whose logits may be wanted
     * @param checkpoints where training keeps its own
     * @param healed where the healed model is written
     * @return false if it was interrupted; nothing is written then
     */
    boolean run(Checkpoint source, Path checkpoints, Path healed) throws IOException {
        HealingOptions healing = options.healing;
        PackedWindows windows = windows(source);
        Checkpoints.Loading loading = new Checkpoints.Loading(err, options.quiet, interruption);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Checkpoint converted = Checkpoints.open(options.target);
                TrainingProgress progress = new TrainingProgress("heal", healing.steps(), err, options.quiet)) {
            CausalLm model = loading.forTraining(converted, manager, Precision.FLOAT32);
            Healing.Builder builder = healing.healing()
                    .setData(windows)
                    .optCheckpoints(checkpoints, CheckpointPolicy.standard())
                    .optListener(progress);
            // In half the memory: a teacher's probabilities need no more digits.
            healing.teacher()
                    .ifPresent(loss ->
                            builder.optTeacher(loading.forInference(source, manager, Precision.BFLOAT16), loss));
            Healing run = builder.build();
            interruption.onInterrupt(run::stop);
            if (run.heal(model).stopped()) {
                return false;
            }
            CheckpointSaver.of(model).optOriginal(converted).save(healed);
            return true;
        }
    }
}
