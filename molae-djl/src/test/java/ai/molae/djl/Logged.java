package ai.molae.djl;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Callable;

/** What code logs, for tests of warnings, which otherwise would look like something wrong in the build's output. */
public final class Logged {

    private Logged() {}

    /**
     * Runs a task. What any thread logs meanwhile counts, because the logger writes to standard error.
     *
     * @param task the task
     * @return what was logged
     * @throws Exception if the task throws it
     */
    public static String by(Callable<?> task) throws Exception {
        PrintStream err = System.err;
        ByteArrayOutputStream log = new ByteArrayOutputStream();
        try (PrintStream capture = new PrintStream(log, true, StandardCharsets.UTF_8)) {
            System.setErr(capture);
            task.call();
        } finally {
            System.setErr(err);
        }
        return log.toString(StandardCharsets.UTF_8);
    }
}
