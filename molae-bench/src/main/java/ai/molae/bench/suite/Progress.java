package ai.molae.bench.suite;

import ai.molae.cli.work.Meter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.results.BenchmarkResult;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.format.OutputFormat;

/** A line per trial for whoever waits; everything else that JMH and its processes say goes to a log. */
final class Progress implements OutputFormat {

    private final Meter meter;
    private final PrintWriter err;
    private final Writer log;
    private final List<String> failed;
    private int done;
    private String running = "";
    private boolean answered = true;

    /**
     * Nothing done yet.
     *
     * @param meter of trials
     * @param failed what to add trials without a result to
     * @param err for a line about a trial that failed
     * @param log for everything, flushed but not closed
     */
    Progress(Meter meter, List<String> failed, PrintWriter err, Writer log) {
        this.meter = meter;
        this.failed = failed;
        this.err = err;
        this.log = log;
    }

    @Override
    public void startBenchmark(BenchmarkParams benchmark) {
        settle();
        running = name(benchmark);
        answered = false;
        println("# " + running);
        meter.at(done, running);
    }

    @Override
    public void endBenchmark(BenchmarkResult result) {
        if (result != null) {
            answered = true;
            println("# " + text(result.getPrimaryResult()));
        }
        done++;
        meter.at(done, running);
    }

    @Override
    public void endRun(Collection<RunResult> results) {
        settle();
    }

    /** A trial whose process died, or whose check threw, ends without a result. */
    private void settle() {
        if (!answered) {
            failed.add(running);
            err.println("no result for " + running + "; the log says why");
            err.flush();
        }
        answered = true;
    }

    private static String text(Result<?> result) {
        return String.format(Locale.ROOT, "%.4f %s", result.getScore(), result.getScoreUnit());
    }

    static String name(BenchmarkParams benchmark) {
        Map<String, String> parameters = new TreeMap<>();
        benchmark.getParamsKeys().forEach(key -> parameters.put(key, benchmark.getParam(key)));
        String method = benchmark.getBenchmark();
        String owner = method.substring(0, method.lastIndexOf('.'));
        return method.substring(owner.lastIndexOf('.') + 1)
                + parameters.entrySet().stream()
                        .map(entry -> entry.getKey() + "=" + entry.getValue())
                        .collect(Collectors.joining(" ", " ", ""));
    }

    @Override
    public void iteration(BenchmarkParams benchmark, IterationParams iteration, int number) {
        // A trial is short; its end is enough.
    }

    @Override
    public void iterationResult(
            BenchmarkParams benchmark, IterationParams iteration, int number, IterationResult result) {
        println("  " + text(result.getPrimaryResult()));
    }

    @Override
    public void startRun() {
        // startBenchmark says all.
    }

    @Override
    public void print(String text) {
        try {
            log.write(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void println(String text) {
        print(text + System.lineSeparator());
        flush();
    }

    @Override
    public void verbosePrintln(String text) {
        println(text);
    }

    @Override
    public void write(int character) {
        print(String.valueOf((char) character));
    }

    @Override
    public void write(byte[] bytes) {
        print(new String(bytes, java.nio.charset.Charset.defaultCharset()));
    }

    @Override
    public void flush() {
        try {
            log.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        flush();
    }
}
