package ai.molae.bench.suite;

import ai.molae.bench.measure.Jvm;
import ai.molae.bench.measure.TrialProfiler;
import ai.molae.bench.report.ReportFolder;
import ai.molae.bench.results.Results;
import ai.molae.cli.work.Meter;
import ai.molae.djl.files.WholeFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatFactory;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Runs trials one after the other and keeps {@code jmh.json} and {@code failures.txt} up to date, so that nothing measured is lost when a run is interrupted. */
final class SuiteRun {

    static final String RESULTS = Results.FILE;
    static final String LOG = "jmh.log";

    private final Path folder;
    private final List<String> jvmArguments;
    private final List<RunResult> results = new ArrayList<>();

    /**
     * A run that has not begun.
     *
     * @param folder where its files go, existing
     * @param jvmArguments added to those of every measured process
     */
    SuiteRun(Path folder, List<String> jvmArguments) {
        this.folder = folder;
        // In place of those that the benchmarks append themselves. Of two -Xmx the last counts, which is the user's.
        this.jvmArguments = Stream.concat(
                        Stream.of(Jvm.HEAP, Jvm.DIRECT, Jvm.TRACKING, Jvm.COMPILER), jvmArguments.stream())
                .toList();
    }

    /**
     * Runs all trials, and writes what there is after each.
     *
     * @param plan what to run
     * @param err for progress
     * @return the trials that gave no result
     * @throws IOException if a file cannot be written
     * @throws RunnerException if JMH cannot run them, for example because another JMH runs on this machine
     */
    List<String> run(Plan plan, PrintWriter err) throws IOException, RunnerException {
        try (Writer log = Files.newBufferedWriter(folder.resolve(LOG));
                Meter meter = new Meter("bench", plan.trials().size(), "trials", Meter.Plainly.TENTHS, err, false)) {
            Progress progress = new Progress(meter, err, log);
            writeFailures(plan, progress);
            for (TrialSet trial : plan.trials()) {
                results.addAll(new Runner(options(trial), progress).run());
                WholeFile.write(folder.resolve(RESULTS), json());
                writeFailures(plan, progress);
            }
            return progress.failed();
        }
    }

    private void writeFailures(Plan plan, Progress progress) throws IOException {
        List<String> lines = new ArrayList<>(progress.failed());
        lines.addAll(plan.unsupported());
        WholeFile.write(folder.resolve(ReportFolder.FAILURES), String.join("\n", lines));
    }

    /** JMH's options for a trial. */
    Options options(TrialSet trial) {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(trial.pattern())
                .addProfiler(TrialProfiler.class)
                .verbosity(VerboseMode.NORMAL)
                .jvmArgsAppend(jvmArguments.toArray(String[]::new))
                .shouldDoGC(false);
        trial.parameters().forEach((name, values) -> options.param(name, values.toArray(String[]::new)));
        return options.build();
    }

    private byte[] json() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (PrintStream out = new PrintStream(bytes, false, StandardCharsets.UTF_8)) {
            ResultFormatFactory.getInstance(ResultFormatType.JSON, out).writeOut(results);
        }
        return bytes.toByteArray();
    }
}
