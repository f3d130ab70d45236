package ai.molae.bench.suite;

import ai.molae.bench.measure.Jvm;
import ai.molae.bench.measure.TrialProfiler;
import ai.molae.bench.report.Disturbed;
import ai.molae.bench.report.ReportFolder;
import ai.molae.bench.results.Result;
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
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
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

/**
 * Runs trials one after the other and keeps {@code jmh.json} and {@code failures.txt} up to date, so that nothing measured is lost when a run is interrupted. At the end those trials
 * are run once more that something else on the machine disturbed most, and those that they are compared with ({@link SecondRound}); whatever it is, the second result counts.
 */
final class SuiteRun {

    static final String RESULTS = Results.FILE;
    static final String LOG = "jmh.log";

    private final Path folder;
    private final List<String> jvmArguments;
    private final Function<List<Result>, ToDoubleFunction<Result>> disturbed;
    /** In the order of the trials. */
    private final Map<TrialSet, RunResult> results = new LinkedHashMap<>();

    /**
     * A run that has not begun.
     *
     * @param folder where its files go, existing
     * @param jvmArguments added to those of every measured process
     */
    SuiteRun(Path folder, List<String> jvmArguments) {
        this(folder, jvmArguments, Disturbed::among);
    }

    /** A run with an opinion of its own on how badly each of all results was disturbed: more than 1 for those that were. */
    SuiteRun(Path folder, List<String> jvmArguments, Function<List<Result>, ToDoubleFunction<Result>> disturbed) {
        this.folder = folder;
        this.disturbed = disturbed;
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
        List<String> failed = new ArrayList<>();
        writeFailures(plan, failed);
        try (Writer log = Files.newBufferedWriter(folder.resolve(LOG))) {
            run("bench", plan.trials(), plan, failed, log, err);
            List<TrialSet> again = secondRound();
            if (!again.isEmpty()) {
                // Where the second time gives nothing, the first result stays.
                run("disturbed, once more", again, plan, new ArrayList<>(failed), log, err);
                writeFailures(plan, failed);
            }
        }
        return failed;
    }

    private void run(String what, List<TrialSet> trials, Plan plan, List<String> failed, Writer log, PrintWriter err)
            throws IOException, RunnerException {
        try (Meter meter = new Meter(what, trials.size(), "trials", Meter.Plainly.TENTHS, err, false)) {
            Progress progress = new Progress(meter, failed, err, log);
            for (TrialSet trial : trials) {
                new Runner(options(trial), progress).run().forEach(result -> results.put(trial, result));
                WholeFile.write(folder.resolve(RESULTS), json());
                writeFailures(plan, failed);
            }
        }
    }

    private List<TrialSet> secondRound() throws IOException {
        List<TrialSet> trials = List.copyOf(results.keySet());
        List<Result> all = Results.parse(new String(json(), StandardCharsets.UTF_8), RESULTS);
        return new SecondRound(all, disturbed.apply(all))
                .places().stream().map(trials::get).toList();
    }

    private void writeFailures(Plan plan, List<String> failed) throws IOException {
        List<String> lines = new ArrayList<>(failed);
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
            ResultFormatFactory.getInstance(ResultFormatType.JSON, out).writeOut(results.values());
        }
        return bytes.toByteArray();
    }
}
