package ai.molae.cli;

import ai.molae.cli.convert.ConvertCommand;
import ai.molae.cli.convert.SpectrumCommand;
import ai.molae.cli.eval.EvalCommand;
import ai.molae.cli.generate.GenerateCommand;
import ai.molae.cli.inspect.InspectCommand;
import ai.molae.cli.options.RepeatedOptions;
import ai.molae.cli.quickstart.QuickstartCommand;
import ai.molae.cli.tokenize.TokenizeCommand;
import ai.molae.cli.train.ResumeCommand;
import ai.molae.cli.train.TrainCommand;
import ai.molae.cli.work.Interruption;
import ai.molae.djl.files.Shown;
import ai.molae.djl.torch.Telemetry;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * The {@code molae} command. Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted.
 */
@Command(
        name = "molae",
        description = "Mixture-of-Experts and MoLAE layers for Java: try them, plan their cost, run checkpoints.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        subcommands = {
            QuickstartCommand.class,
            PlanCommand.class,
            InspectCommand.class,
            GenerateCommand.class,
            EvalCommand.class,
            TrainCommand.class,
            ResumeCommand.class,
            TokenizeCommand.class,
            SpectrumCommand.class,
            ConvertCommand.class,
            AutoComplete.GenerateCompletion.class
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:failed while working",
            "2:wrong usage or input",
            "130:interrupted (143: terminated); what was done so far is written"
        })
public final class Main implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(names = "--stacktrace", scope = ScopeType.INHERIT, description = "Print the stack trace of an error.")
    private boolean stackTrace;

    /** Made by picocli. */
    Main() {}

    /**
     * Runs the command and exits.
     *
     * @param args the command line
     */
    public static void main(String[] args) {
        Interruption.exit(commandLine().execute(args));
    }

    /**
     * The command line with its error handling.
     *
     * @return the command, ready to execute
     */
    public static CommandLine commandLine() {
        Telemetry.optOut();
        Main main = new Main();
        CommandLine commandLine = new CommandLine(main);
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        commandLine.registerConverter(Path.class, Main::path);
        commandLine.setExecutionStrategy(result -> {
            RepeatedOptions.refuse(result);
            return new CommandLine.RunLast().execute(result);
        });
        commandLine.setExecutionExceptionHandler((exception, command, result) -> main.failed(exception, command));
        return commandLine;
    }

    private static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new TypeConversionException(Shown.value(text) + " is no path: " + e.getReason());
        }
    }

    /** Input that a check refused is the user's to mend (2); everything else is a failure of the work (1). */
    private int failed(Exception exception, CommandLine command) {
        boolean said = exception instanceof IllegalArgumentException || exception instanceof IllegalStateException;
        command.getErr().println("molae: " + (said ? exception.getMessage() : exception.toString()));
        if (stackTrace) {
            exception.printStackTrace(command.getErr());
        }
        return exception instanceof IllegalArgumentException
                ? CommandLine.ExitCode.USAGE
                : CommandLine.ExitCode.SOFTWARE;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "which command? See the list below.");
    }

    /** The version in the jar's manifest. */
    static final class Version implements CommandLine.IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = Main.class.getPackage().getImplementationVersion();
            return new String[] {"molae " + (version == null ? "(not packaged)" : version)};
        }
    }
}
