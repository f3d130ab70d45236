package ai.molae.cli.convert;

import ai.molae.cli.options.Ranges;
import ai.molae.djl.convert.Healing;
import ai.molae.djl.lm.DistillationLoss;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The training that follows a conversion. */
final class HealingOptions {

    private static final double DEFAULT_SHARE = 0.5;
    private static final double TEMPERATURE = 1;

    /** What is trained. */
    enum HealedChoice {
        /** The factors. */
        FACTORS,
        /** All routed experts. */
        EXPERTS,
        /** Every parameter. */
        ALL;

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(
            names = "--heal",
            paramLabel = "STEPS",
            description = "Train the converted model for so many steps (default: none).")
    private @Nullable Integer steps;

    @Option(
            names = "--heal-text",
            paramLabel = "FILE|DIR",
            description = "Text to heal with (default: that of --calibrate); may be repeated.")
    private List<Path> text = new ArrayList<>();

    @Option(
            names = "--heal-lr",
            paramLabel = "RATE",
            description = "Its highest learning rate (default: 0.2 / hidden size).")
    private @Nullable Double learningRate;

    @Option(
            names = "--heal-batch",
            paramLabel = "B",
            description = "Windows of a step (default: " + Healing.DEFAULT_BATCH_SIZE + ").")
    private @Nullable Integer batch;

    @Option(
            names = "--heal-what",
            paramLabel = "WHAT",
            description = "What is trained: ${COMPLETION-CANDIDATES} (default: factors).")
    private @Nullable HealedChoice what;

    @Option(
            names = "--distill-logits",
            arity = "0..1",
            fallbackValue = "" + DEFAULT_SHARE,
            paramLabel = "P",
            description =
                    "Heal on the logits of the original model too; P is their share of the loss, up to 1 (without a number: "
                            + DEFAULT_SHARE + ").")
    private @Nullable Double teacherShare;

    /** Whether there is healing. */
    boolean isGiven() {
        return steps != null && steps > 0;
    }

    /** Refuses what is out of range, or says how to heal when nothing is healed. */
    void check(boolean calibrationText, boolean multipliedOut) {
        if (steps != null && steps < 0) {
            throw new IllegalArgumentException("--heal must be at least 0, got " + steps);
        }
        if (!isGiven()) {
            refuseOthers();
            return;
        }
        text.forEach(path -> TextOptions.checkExists("--heal-text", path));
        if (text.isEmpty() && !calibrationText) {
            throw new IllegalArgumentException("--heal needs text: give some with --heal-text or --calibrate");
        }
        if (multipliedOut) {
            throw new IllegalArgumentException(
                    "--heal trains the factors, and --multiplied-out writes none; leave one of both away");
        }
        if (learningRate != null) {
            Ranges.finitePositive("--heal-lr", learningRate);
        }
        if (batch != null) {
            Ranges.positive("--heal-batch", batch);
        }
        if (teacherShare != null && !(teacherShare > 0 && teacherShare <= 1)) {
            throw new IllegalArgumentException(
                    "--distill-logits must be more than 0 and at most 1, got " + teacherShare);
        }
    }

    private void refuseOthers() {
        List<String> given = new ArrayList<>();
        addIf(given, !text.isEmpty(), "--heal-text");
        addIf(given, learningRate != null, "--heal-lr");
        addIf(given, batch != null, "--heal-batch");
        addIf(given, what != null, "--heal-what");
        addIf(given, teacherShare != null, "--distill-logits");
        if (!given.isEmpty()) {
            throw new IllegalArgumentException(String.join(", ", given)
                    + " says how to heal; add --heal with the number of steps, or leave it away");
        }
    }

    private static void addIf(List<String> list, boolean given, String flag) {
        if (given) {
            list.add(flag);
        }
    }

    int steps() {
        return steps == null ? 0 : steps;
    }

    int batch() {
        return batch == null ? Healing.DEFAULT_BATCH_SIZE : batch;
    }

    /** What to heal with; empty for the text of the calibration. */
    List<Path> text() {
        return text;
    }

    /** What the teacher counts, if there is one. */
    Optional<DistillationLoss> teacher() {
        return Optional.ofNullable(teacherShare).map(share -> new DistillationLoss(TEMPERATURE, share));
    }

    /** Everything but data and teacher. */
    Healing.Builder healing() {
        Healing.Builder healing = Healing.builder()
                .setSteps(steps())
                .optBatchSize(batch())
                .optTrained(what == null ? Healing.Trained.FACTORS : Healing.Trained.valueOf(what.name()));
        if (learningRate != null) {
            healing.optLearningRate(learningRate);
        }
        return healing;
    }
}
