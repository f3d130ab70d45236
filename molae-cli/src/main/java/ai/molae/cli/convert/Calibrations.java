package ai.molae.cli.convert;

import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Meter;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.CalibrationWindows;
import ai.molae.djl.convert.calibrate.Calibrator;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Reads a calibration that was kept, or makes one. */
final class Calibrations {

    private static final long MEASURED_TOKENS = 8192;

    private final CalibrationOptions options;
    private final TextOptions texts;
    private final PrintWriter err;
    private final boolean quiet;
    private final Interruption interruption;

    Calibrations(
            CalibrationOptions options, TextOptions texts, PrintWriter err, boolean quiet, Interruption interruption) {
        this.options = options;
        this.texts = texts;
        this.err = err;
        this.quiet = quiet;
        this.interruption = interruption;
    }

    /**
     * What text shows of a model.
     *
     * @param checkpoint the model
     * @param settings the moments that are needed
     * @param usual where it is if the options name no folder
     */
    Calibration get(Checkpoint checkpoint, MomentSettings settings, Path usual) throws IOException {
        Path folder = options.folder().orElse(usual);
        if (!Files.exists(folder)) {
            return make(checkpoint, settings, folder);
        }
        Calibration kept = Calibration.open(folder);
        kept.checkSource(checkpoint);
        if ((settings.expertInputs() && !kept.settings().expertInputs())
                || kept.settings().inner().compareTo(settings.inner()) < 0) {
            throw new IllegalArgumentException("--calibration " + folder + " has other moments (" + kept.settings()
                    + ") than are needed (" + settings + "); name a folder that does not exist, to be written");
        }
        return kept;
    }

    /** Text that goes through the layers while they are converted: all of it to train on, a little to measure their outputs on; empty if there is none. */
    Optional<List<int[]>> windows(Checkpoint checkpoint, boolean toTrain) throws IOException {
        if (options.text().isEmpty()) {
            return Optional.empty();
        }
        long most = toTrain ? options.tokens() : Math.min(options.tokens(), MEASURED_TOKENS);
        return Optional.of(CalibrationWindows.of(texts.windows("--calibrate", options.text(), checkpoint), most));
    }

    private Calibration make(Checkpoint checkpoint, MomentSettings settings, Path folder) throws IOException {
        @Nullable Meter[] meter = new Meter[1];
        Calibrator calibrator = Calibrator.builder()
                .setCheckpoint(checkpoint)
                .setData(texts.windows("--calibrate", options.text(), checkpoint), options.tokens())
                .setTarget(folder)
                .optSettings(settings)
                .optProgress(progress -> {
                    Meter shown = meter[0];
                    if (shown == null) {
                        shown = new Meter("calibrating", progress.total(), "batches", Meter.Plainly.TENTHS, err, quiet);
                        meter[0] = shown;
                    }
                    shown.at(progress.done(), "layer " + progress.layer());
                })
                .build();
        interruption.onInterrupt(calibrator::stop);
        try {
            return calibrator.calibrate();
        } finally {
            Meter shown = meter[0];
            if (shown != null) {
                shown.close();
            }
        }
    }
}
