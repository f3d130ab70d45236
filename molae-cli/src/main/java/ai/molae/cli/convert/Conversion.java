package ai.molae.cli.convert;

import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
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
            ConversionMethod method = options.method.method(source.spec(), options.calibration.isGiven());
            options.texts.sequence(source);
            WorkFolder work = workFolder();
            ConversionReport report;
            if (work.isConverted()) {
                report = Reports.read(options.target);
            } else {
                report = convert(source, method, work);
                work.markConverted();
            }
            if (options.healing.isGiven()) {
                report = heal(source, report, work);
            }
            work.remove();
            Output.print(console, Summary.of(report, options.target));
            return 0;
        }
    }

    /** Refuses a target that is there, unless it is what the same command left to be healed. */
    private WorkFolder workFolder() throws IOException {
        Path target = options.target;
        boolean there = Files.exists(target) && !isEmptyFolder(target);
        if (there && !(WorkFolder.isLeft(target, options.settings()) && !options.restart)) {
            throw new IllegalArgumentException(
                    target
                            + " exists and is not empty; nothing in it is overwritten: name another folder for the converted model");
        }
        WorkFolder work = WorkFolder.open(target, options.settings(), options.restart);
        if (options.restart) {
            Conversions.discard(target);
        }
        return work;
    }

    private static boolean isEmptyFolder(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return false;
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
    }

    private ConversionReport convert(Checkpoint source, ConversionMethod method, WorkFolder work) throws IOException {
        HeldOut heldOut = heldOut();
        Map<String, Double> losses = new LinkedHashMap<>();
        heldOut.measure(source).ifPresent(loss -> losses.put("original", loss));
        Converter.Builder builder = Converter.builder()
                .setSource(options.source)
                .setTarget(options.target)
                .setMethod(method);
        if (options.calibration.isGiven()) {
            Calibrations calibrations =
                    new Calibrations(options.calibration, options.texts, console.getErr(), options.quiet, interruption);
            builder.optCalibration(calibrations.get(source, Calibrations.settings(method), work.calibration()));
            calibrations.windows(source, method.distillation().isPresent()).ifPresent(builder::optText);
        }
        ConversionReport report = factor(builder);
        try (Checkpoint converted = Checkpoints.open(options.target)) {
            heldOut.measure(converted).ifPresent(loss -> losses.put("converted", loss));
        }
        return write(report, losses);
    }

    private ConversionReport factor(Converter.Builder builder) throws IOException {
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
            return converter.convert();
        } catch (CancellationException e) {
            throw interrupted("what is converted so far is kept");
        }
    }

    private CancellationException interrupted(String state) {
        return new CancellationException(
                "interrupted; " + state + ". The same command goes on, and with --restart begins anew");
    }

    private ConversionReport heal(Checkpoint source, ConversionReport report, WorkFolder work) throws IOException {
        HealingRun healing = new HealingRun(options, console.getErr(), interruption);
        if (!healing.run(source, work.healing())) {
            throw interrupted(options.target + " is converted and not healed");
        }
        Map<String, Double> losses = new LinkedHashMap<>(report.losses());
        try (Checkpoint healed = Checkpoints.open(options.target)) {
            heldOut().measure(healed).ifPresent(loss -> losses.put("healed", loss));
        }
        return write(report, losses);
    }

    private ConversionReport write(ConversionReport report, Map<String, Double> losses) throws IOException {
        ConversionReport complete = new ConversionReport(
                report.source(), report.method(), report.before(), report.after(), report.layers(), losses);
        Reports.write(complete, options.target);
        return complete;
    }

    private HeldOut heldOut() {
        return new HeldOut(options.validation, options.texts, console.getErr(), options.quiet, interruption);
    }
}
