package ai.molae.bench.report;

import ai.molae.bench.results.Environment;
import ai.molae.bench.results.Results;
import ai.molae.djl.files.WholeFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A folder of results and the report on them.
 *
 * <pre>
 *   jmh.json           read: what JMH wrote
 *   environment.json   read if it is there: {@link Environment}
 *   failures.txt       read if it is there: a line for every benchmark that left no result, and why
 *   index.html, report.md, results.csv   written
 * </pre>
 */
public final class ReportFolder {

    /** What the run says about benchmarks without a result. */
    public static final String FAILURES = "failures.txt";

    /** The page. */
    public static final String PAGE = "index.html";

    /** The Markdown. */
    public static final String MARKDOWN = "report.md";

    /** The table. */
    public static final String TABLE = "results.csv";

    private ReportFolder() {}

    /**
     * Writes the report; each file is replaced as a whole.
     *
     * @param folder with the results
     * @return the page
     * @throws IOException if something cannot be read or written; the message names the file and the place
     */
    public static Path write(Path folder) throws IOException {
        Report report = read(folder);
        WholeFile.write(folder.resolve(MARKDOWN), report.markdown());
        WholeFile.write(folder.resolve(TABLE), report.csv());
        Path page = folder.resolve(PAGE);
        WholeFile.write(page, report.html());
        return page;
    }

    private static Report read(Path folder) throws IOException {
        Path environment = folder.resolve(Environment.FILE);
        Path failures = folder.resolve(FAILURES);
        return new Report(
                Results.read(folder.resolve(Results.FILE)),
                Files.exists(environment) ? Environment.read(environment) : new Environment(Map.of()),
                Files.exists(failures)
                        ? Files.readAllLines(failures).stream()
                                .filter(line -> !line.isBlank())
                                .toList()
                        : List.of());
    }
}
