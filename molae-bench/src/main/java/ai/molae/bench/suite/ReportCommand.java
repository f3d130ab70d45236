package ai.molae.bench.suite;

import ai.molae.bench.report.ReportFolder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code molae bench report}: writes the report of results that are there already. */
@Command(
        name = "report",
        mixinStandardHelpOptions = true,
        description =
                "Write index.html, report.md and results.csv from the jmh.json of a folder, for example after an interrupted run.")
final class ReportCommand implements Callable<Integer> {

    @Parameters(index = "0", paramLabel = "DIR", description = "A folder with jmh.json.")
    private Path folder = Path.of("");

    /** Made by picocli. */
    ReportCommand() {}

    @Override
    public Integer call() throws IOException {
        ReportFolder.write(folder);
        return 0;
    }
}
