package ai.molae.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import picocli.CommandLine;

/**
 * What one run of the command did.
 *
 * @param exitCode its exit code
 * @param out what it printed
 * @param err what it complained about
 */
record CommandRun(int exitCode, String out, String err) {

    static CommandRun of(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine commandLine = Main.commandLine();
        commandLine.setOut(new PrintWriter(out, true));
        commandLine.setErr(new PrintWriter(err, true));
        int exitCode = commandLine.execute(args);
        return new CommandRun(exitCode, out.toString(), err.toString());
    }

    /** One line with blanks between the arguments. */
    static CommandRun ofLine(String line) {
        return of(line.split(" ", -1));
    }

    List<String> lines() {
        return out.lines().toList();
    }
}
