package ai.molae.bench.suite;

import ai.molae.bench.compare.Comparison;
import ai.molae.bench.compare.ComparisonTables;
import ai.molae.bench.compare.Measured;
import ai.molae.bench.compare.Measurements;
import ai.molae.cli.table.TableFormat;
import ai.molae.cli.work.Output;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code molae bench compare}: two runs side by side. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Compare two runs: what became slower or larger, beyond the noise between two runs of one program.",
            "Exit code 1 if anything did, or if AFTER lacks trials of BEFORE."
        })
final class CompareCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(
            index = "0",
            paramLabel = "BEFORE",
            description = "A folder that molae bench wrote, or a JSON file of JMH.")
    private Path before = Path.of("");

    @Parameters(index = "1", paramLabel = "AFTER", description = "Another one.")
    private Path after = Path.of("");

    @Option(names = "--all", description = "List every trial, not only those that changed.")
    private boolean all;

    @Option(names = "--partial", description = "AFTER may lack trials of BEFORE.")
    private boolean partial;

    @Option(
            names = "--format",
            defaultValue = "text",
            description = "text, markdown, csv or json (default: ${DEFAULT-VALUE}).")
    private TableFormat format = TableFormat.TEXT;

    /** Made by picocli. */
    CompareCommand() {}

    @Override
    public Integer call() throws IOException {
        List<Measured> first = Measurements.read(before);
        List<Measured> second = Measurements.read(after);
        Comparison comparison = partial ? Comparison.ofPart(first, second) : Comparison.of(first, second);
        Output.print(
                spec.commandLine(),
                format.write(ComparisonTables.of(comparison, all), ComparisonTables.notes(comparison)));
        return comparison.hasRegressions() ? 1 : 0;
    }
}
