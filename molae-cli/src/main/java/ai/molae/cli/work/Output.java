package ai.molae.cli.work;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import picocli.CommandLine;

/** Standard output, of which a full disk or a closed pipe must not pass for success. */
public final class Output {

    private Output() {}

    /**
     * Writes a text.
     *
     * @param command the command whose output it is
     * @param text the text
     * @throws UncheckedIOException if it could not be written
     */
    public static void print(CommandLine command, String text) {
        PrintWriter standard = command.getOut();
        standard.print(text);
        standard.flush();
        // Neither throws. System.out keeps what picocli's writer hides.
        if (standard.checkError() || System.out.checkError()) {
            throw new UncheckedIOException(
                    "cannot write to standard output; is the disk full, or the reader gone?",
                    new IOException("output error"));
        }
    }
}
