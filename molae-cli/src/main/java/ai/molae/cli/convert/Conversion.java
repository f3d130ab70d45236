package ai.molae.cli.convert;

import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.cli.work.StageMeter;
import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.files.Folders;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;
import java.util.concurrent.CancellationException;
import picocli.CommandLine;

/** A conversion from the options to the last report: calibration, factorisation, healing, each of which goes on where it was interrupted. */
final class Conversion {

    private final ConvertCommand options;
    private final CommandLine console;
    private final Interruption interruption;

    Conversion(ConvertCommand options, CommandLine console, Interruption interruption) {
        this.options = options;
        this.console = console;
        this.interruption = interruption;
    }

    int run() throws IOException {
        try (Checkpoint source = Checkpoints.open(options.source)) {
            ConversionMethod method = options.method.method(
                    source.spec(),
                    options.calibration.isGiven(),
                    !options.calibration.text().isEmpty());
            options.texts.sequence(source);
            WorkFolder work = WorkFolder.open(options.target, options.settings(), options.restart);
            try {
                run(source, method, work);
            } catch (IllegalArgumentException e) {
                work.forget();
                throw e;
            }
            Output.print(console, Summary.of(Reports.read(options.target), options.target, options.multipliedOut));
            return 0;
        }
    }

    private void run(Checkpoint source, ConversionMethod method, WorkFolder work) throws IOException {
        if (!work.isHealed()) {
            if (!work.isConverted()) {
                convert(source, method, work);
            }
            measure("converted", options.target);
            if (options.healing.isGiven()) {
                heal(source, work);
            }
        }
        work.putHealedInPlace();
        // What a converter leaves that is killed after the target has appeared.
        CheckpointDraft.discard(options.target);
        work.remove();
    }

    private void convert(Checkpoint source, ConversionMethod method, WorkFolder work) throws IOException {
        if (options.healing.isGiven()) {
            // Better refused now than after the conversion.
            new HealingRun(options, console.getErr(), interruption).windows(source);
        }
        OptionalDouble loss = heldOut().measure(source);
        Converter.Builder builder = Converter.builder()
                .setSource(options.source)
                .setTarget(options.target)
                .setMethod(method)
                .optFiles(report ->
                        Reports.texts(loss.isPresent() ? report.withLoss("original", loss.getAsDouble()) : report));
        if (options.calibration.isGiven()) {
            Calibrations calibrations =
                    new Calibrations(options.calibration, options.texts, console.getErr(), options.quiet, interruption);
            builder.optCalibration(calibrations.get(source, method.moments(), work.calibration()));
            calibrations.windows(source, method.distillation().isPresent()).ifPresent(builder::optText);
        }
        // An empty folder may be the target's place.
        Files.deleteIfExists(options.target);
        factor(builder);
    }

    private void factor(Converter.Builder builder) throws IOException {
        options.machine.configure(builder);
        if (options.type != null) {
            builder.optType(options.type.type);
        }
        if (options.multipliedOut) {
            builder.optMultipliedOut();
        }
        try (StageMeter meter = new StageMeter(console.getErr(), options.quiet)) {
            Converter converter = builder.optProgress(meter).build();
            interruption.onInterrupt(converter::stop);
            converter.convert();
        } catch (CancellationException e) {
            throw interrupted("what is converted so far is kept");
        }
    }

    private CancellationException interrupted(String state) {
        return new CancellationException(
                "interrupted; " + state + ". The same command goes on, and with --restart begins anew");
    }

    private void heal(Checkpoint source, WorkFolder work) throws IOException {
        HealingRun healing = new HealingRun(options, console.getErr(), interruption);
        Folders.delete(work.healed());
        if (!healing.run(source, work.healing(), work.healed())) {
            throw interrupted(options.target + " is converted and not healed");
        }
        ConversionReport report = Reports.read(options.target);
        OptionalDouble loss = measure(work.healed());
        // With its report it counts as complete.
        Reports.write(loss.isPresent() ? report.withLoss("healed", loss.getAsDouble()) : report, work.healed());
    }

    /** Adds a loss to the report of a model, unless it is there already. */
    private void measure(String stage, Path model) throws IOException {
        ConversionReport report = Reports.read(model);
        if (!report.losses().containsKey(stage)) {
            OptionalDouble loss = measure(model);
            if (loss.isPresent()) {
                Reports.write(report.withLoss(stage, loss.getAsDouble()), model);
            }
        }
    }

    private OptionalDouble measure(Path model) throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(model)) {
            return heldOut().measure(checkpoint);
        }
    }

    private HeldOut heldOut() {
        return new HeldOut(options.validation, options.texts, console.getErr(), options.quiet, interruption);
    }
}
