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
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code molae bench compare}: two runs side by side, or several pairs of them. */
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
            arity = "2..*",
            paramLabel = "BEFORE AFTER",
            description = {
                "Folders that molae bench wrote, or JSON files of JMH.",
                "With several pairs, best run in turns, a change counts if all pairs show it; figures are the first pair's."
            })
    private List<Path> runs = List.of();

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
        if (runs.size() % 2 != 0) {
            throw new IllegalArgumentException("runs come in pairs, BEFORE AFTER BEFORE AFTER; got " + runs.size()
                    + ": " + runs.stream().map(Path::toString).collect(Collectors.joining(", ")));
        }
        Comparison comparison = pair(0);
        for (int i = 2; i < runs.size(); i += 2) {
            comparison = comparison.confirmedBy(pair(i));
        }
        Output.print(
                spec.commandLine(),
                format.write(ComparisonTables.of(comparison, all), ComparisonTables.notes(comparison)));
        return comparison.hasRegressions() ? 1 : 0;
    }

    private Comparison pair(int at) throws IOException {
        List<Measured> before = Measurements.read(runs.get(at));
        List<Measured> after = Measurements.read(runs.get(at + 1));
        return partial ? Comparison.ofPart(before, after) : Comparison.of(before, after);
    }
}
