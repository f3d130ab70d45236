package ai.molae.bench.suite;

import ai.molae.bench.compare.Measurements;
import ai.molae.bench.measure.TrialProfiler;
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
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.results.format.ResultFormatFactory;
import org.openjdk.jmh.results.format.ResultFormatType;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;

/** Runs sections one after the other and keeps {@code jmh.json} up to date, so that nothing measured is lost when a run is interrupted. */
final class SuiteRun {

    static final String RESULTS = Measurements.RESULTS;
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
        this.jvmArguments = List.copyOf(jvmArguments);
    }

    /**
     * Runs all trials.
     *
     * @param sections what to run
     * @param err for progress
     * @return the trials that gave no result
     * @throws IOException if a file cannot be written
     * @throws RunnerException if JMH cannot run them, for example because another JMH runs on this machine
     */
    List<String> run(List<Section> sections, PrintWriter err) throws IOException, RunnerException {
        List<Options> options = sections.stream().map(this::options).toList();
        long trials = sections.stream().mapToLong(SuiteRun::trials).sum();
        try (Writer log = Files.newBufferedWriter(folder.resolve(LOG));
                Meter meter = new Meter("bench", trials, "trials", Meter.Plainly.TENTHS, err, false)) {
            Progress progress = new Progress(meter, err, log);
            for (Options section : options) {
                Collection<RunResult> more = new Runner(section, progress).run();
                results.addAll(more);
                WholeFile.write(folder.resolve(RESULTS), json());
            }
            return progress.failed();
        }
    }

    /** Combinations of a section's values. */
    static long trials(Section section) {
        return section.parameters().values().stream().mapToLong(List::size).reduce(1, Math::multiplyExact);
    }

    private Options options(Section section) {
        ChainedOptionsBuilder options = new OptionsBuilder()
                .include(section.pattern())
                .addProfiler(TrialProfiler.class)
                .addProfiler(GCProfiler.class)
                .verbosity(VerboseMode.NORMAL)
                .jvmArgsPrepend(jvmArguments.toArray(String[]::new))
                .shouldDoGC(false);
        section.parameters().forEach((name, values) -> options.param(name, values.toArray(String[]::new)));
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
