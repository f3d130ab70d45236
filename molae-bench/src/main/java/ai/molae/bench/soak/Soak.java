package ai.molae.bench.soak;

import ai.molae.djl.files.Folders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Trains, generates, loads, converts and evaluates small models in one process for hours, many threads at once among it, and tells whether memory, threads,
 * files or disk grow, and whether equal work still gives equal results.
 *
 * <pre>{@code
 * mvn -q -Dmolae.quick -Dmaven.test.skip=true -pl molae-bench -am package
 * java -Xmx1g -XX:NativeMemoryTracking=summary \
 *     -cp "molae-bench/target/quick/molae-bench.jar:molae-bench/target/quick/lib/*" ai.molae.bench.soak.Soak --minutes 60
 * }</pre>
 */
@Command(
        name = "Soak",
        mixinStandardHelpOptions = true,
        description =
                "Does everything over and over in one process and tells what grows. Exit code 1 if something does,"
                        + " or if a result differs from an earlier one.")
public final class Soak implements Callable<Integer> {

    private static final double SECONDS_PER_LINE = 60;

    @ArgGroup(multiplicity = "1")
    private Length length = new Length();

    @Option(names = "--seed", defaultValue = "1", description = "Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Option(names = "--threads", defaultValue = "8", description = "That generate at once (default: ${DEFAULT-VALUE}).")
    private int threads;

    @Option(
            names = "--out",
            defaultValue = "soak",
            description = "Folder for soak.csv, soak.md, soak.html and, in work, what the work writes;"
                    + " emptied before (default: ${DEFAULT-VALUE}).")
    private Path out = Path.of("soak");

    /** How long: one of them. */
    private static final class Length {
        @Option(names = "--minutes", description = "Rounds begin for so long.")
        private double minutes;

        @Option(names = "--rounds", description = "So many rounds.")
        private long rounds;

        boolean goesOn(long done, double seconds) {
            return rounds > 0 ? done < rounds : seconds < 60 * minutes;
        }
    }

    /**
     * Runs.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new Soak()).execute(args));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        Path work = out.resolve("work");
        Folders.delete(work);
        Files.createDirectories(work);
        Readings readings = new Readings(out.resolve("soak.csv"));
        readings.begin();
        List<String> facts = new ArrayList<>();
        boolean equal = rounds(work, readings, facts);
        SoakReport report = new SoakReport(readings.all(), facts);
        Files.writeString(out.resolve("soak.md"), report.markdown());
        Files.writeString(out.resolve("soak.html"), report.html());
        System.out.println(report.markdown());
        report.growing().forEach(gauge -> System.out.println("grows: " + gauge.title()));
        Folders.delete(work);
        return equal && report.growing().isEmpty() ? 0 : 1;
    }

    /** Does the rounds; false if a result differs, which ends them. */
    private boolean rounds(Path work, Readings readings, List<String> facts) throws IOException, InterruptedException {
        long start = System.nanoTime();
        Rounds rounds = Rounds.of(work, seed, threads);
        double told = 0;
        String difference = "";
        while (difference.isEmpty() && length.goesOn(rounds.done(), seconds(start))) {
            try {
                rounds.next();
            } catch (DifferentResultException e) {
                difference = String.valueOf(e.getMessage());
                break;
            }
            Reading reading = readings.add(rounds.done(), seconds(start) / 3600, work);
            if (seconds(start) >= told) {
                tell(reading);
                told = seconds(start) + SECONDS_PER_LINE;
            }
        }
        facts.add(String.format(
                Locale.ROOT,
                "%d rounds in %.1f minutes, seed %d, %d threads at once, Java %s",
                rounds.done(),
                seconds(start) / 60,
                seed,
                threads,
                Runtime.version()));
        facts.add(
                difference.isEmpty()
                        ? "every result was that of the first round of its seed, and of concurrent generations that of serial ones"
                        : "**a result differs**: " + difference.replace('\n', ' '));
        return difference.isEmpty();
    }

    private static void tell(Reading reading) {
        StringBuilder line = new StringBuilder(
                String.format(Locale.ROOT, "%.1f min, %d rounds", 60 * reading.hours(), reading.round()));
        reading.values()
                .forEach((gauge, value) ->
                        line.append(", ").append(gauge.title()).append(' ').append(SoakReport.amount(gauge, value)));
        System.out.println(line);
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) * 1e-9;
    }
}
