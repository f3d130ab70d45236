package ai.molae.bench.suite;

import ai.molae.cli.work.Interruption;
import picocli.CommandLine;

/** The {@code molae} command together with {@code molae bench}, which needs more on the class path than the rest. */
public final class Main {

    private Main() {}

    /**
     * Runs the command and exits.
     *
     * @param args the command line
     */
    public static void main(String[] args) {
        Interruption.exit(commandLine().execute(args));
    }

    static CommandLine commandLine() {
        CommandLine commandLine = ai.molae.cli.Main.commandLine().addSubcommand(new BenchCommand());
        // Settings reach only those subcommands that are there when they are made.
        return commandLine.setCaseInsensitiveEnumValuesAllowed(true);
    }
}
