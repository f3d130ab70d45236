package ai.molae.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A run of the command in a process of its own that was told to end, by SIGTERM or another signal, as soon as it had printed a line.
 *
 * @param exitCode its exit code
 * @param output what it printed, complaints included
 */
record InterruptedRun(int exitCode, String output) {

    static InterruptedRun of(String lineStart, String... args) throws IOException, InterruptedException {
        return by("TERM", lineStart, args);
    }

    /** {@code INT} is what Ctrl-C sends. */
    static InterruptedRun by(String signal, String lineStart, String... args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                // As the launcher does: newer JVMs would print a warning first.
                "--enable-native-access=ALL-UNNAMED",
                "-Dai.djl.offline=true",
                "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(List.of(args));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        StringBuilder output = new StringBuilder();
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            boolean told = false;
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                output.append(line).append('\n');
                if (!told && line.startsWith(lineStart)) {
                    told = true;
                    String kill = "kill -" + signal + " " + process.pid();
                    new ProcessBuilder("sh", "-c", kill).start().waitFor();
                }
            }
            if (!process.waitFor(60, TimeUnit.SECONDS)) {
                throw new AssertionError("still running after: " + output);
            }
        } finally {
            process.destroyForcibly();
        }
        return new InterruptedRun(process.exitValue(), output.toString());
    }
}
