package ai.molae.djl.docs;

import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Runs the examples of a document one after the other in a process of their own and leaves what each printed, or why it failed. */
final class ExampleRunner {

    private ExampleRunner() {}

    /**
     * Runs classes.
     *
     * @param args a folder for {@code NAME.out} and {@code NAME.failure}, then the names of classes with a main method
     */
    public static void main(String[] args) throws Exception {
        Path results = Path.of(args[0]);
        PrintStream console = System.out;
        for (int i = 1; i < args.length; i++) {
            try (PrintStream out = new PrintStream(
                    Files.newOutputStream(results.resolve(args[i] + ".running")), true, StandardCharsets.UTF_8)) {
                System.setOut(out);
                Class.forName(args[i]).getMethod("main", String[].class).invoke(null, (Object) new String[0]);
            } catch (InvocationTargetException e) {
                try (PrintStream failure =
                        new PrintStream(results.resolve(args[i] + ".failure").toFile(), StandardCharsets.UTF_8)) {
                    e.getCause().printStackTrace(failure);
                }
            } finally {
                System.setOut(console);
            }
            Files.move(results.resolve(args[i] + ".running"), results.resolve(args[i] + ".out"));
        }
        System.out.println("ran " + (args.length - 1));
    }
}
