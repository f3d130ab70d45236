package ai.molae.cli.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** {@code molae resume}: goes on with a run of {@code molae train}. */
@Command(
        name = "resume",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Go on with a run of molae train that was interrupted or killed, from its last checkpoint, exactly as if it had not stopped.",
            "Options of molae train change the run; that takes --allow-changes.",
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae resume run",
            "  molae resume run --at 2000",
            "  molae resume run --allow-changes --steps 5000"
        })
public final class ResumeCommand extends RunOptions implements Callable<Integer> {

    private static final Set<String> OWN = Set.of("at", "allow-changes", "quiet");

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "Folder of the run.")
    @SuppressWarnings("NullAway.Init") // required
    private Path folder;

    @Option(
            names = "--at",
            paramLabel = "STEP",
            description = "Go back to the checkpoint of this step; later ones are put aside.")
    private @Nullable Long at;

    @Option(names = "--allow-changes", description = "Go on with other options or data than before.")
    private boolean allowChanges;

    @Option(names = "--quiet", description = "No progress.")
    private boolean quiet;

    /** Made by picocli. */
    public ResumeCommand() {}

    @Override
    public Integer call() throws IOException {
        RunFolder run = RunFolder.open(folder);
        ParseResult given = spec.commandLine().getParseResult();
        List<String> changes = ConfigFile.given(given, OWN);
        if (!changes.isEmpty() && !allowChanges) {
            throw new IllegalArgumentException(
                    String.join(" ", changes) + " changes the run; add --allow-changes, or leave it away");
        }
        List<String> arguments = new ArrayList<>(ConfigFile.merge(run.settings(), spec, given, OWN));
        if (quiet) {
            arguments.add("--quiet");
        }
        TrainCommand train = ConfigFile.parse(new TrainCommand(), arguments, run.settings(), spec.commandLine());
        return train.run()
                .resume(
                        run,
                        new TrainingRun.Resumption(
                                at == null ? OptionalLong.empty() : OptionalLong.of(at), allowChanges));
    }
}
