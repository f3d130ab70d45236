package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What a JVM printed that ran with no network, a home folder of its own, and DJL's caches in folders of their own.
 *
 * @param out to standard output
 * @param err to standard error
 * @param calls how often it tried to reach a network
 */
record JavaRun(String out, String err, int calls) {

    /**
     * Runs Java and demands that it ends well, without a warning of the JVM.
     *
     * @param jdk the JDK
     * @param machine holds the caches ({@code djl} and {@code engines}) and the home folder, which other runs can share; made if missing
     * @param folder the working folder
     * @param arguments of the command {@code java}
     * @return what it printed
     */
    static JavaRun of(Jdk jdk, Path machine, Path folder, List<String> arguments) throws Exception {
        Path out = folder.resolve("stdout.txt");
        Path err = folder.resolve("stderr.txt");
        try (NoNetwork network = new NoNetwork()) {
            List<String> command = new ArrayList<>(
                    List.of(jdk.home().resolve("bin").resolve("java").toString()));
            command.addAll(network.options());
            command.add("-Dai.djl.offline=true");
            command.add("-Duser.home=" + Files.createDirectories(machine.resolve("home")));
            command.addAll(arguments);
            ProcessBuilder builder = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile());
            builder.environment().put("DJL_CACHE_DIR", machine.resolve("djl").toString());
            builder.environment()
                    .put("ENGINE_CACHE_DIR", machine.resolve("engines").toString());
            // What keeps it from calling home is to be the offline mode alone.
            builder.environment().remove("OPT_OUT_TRACKING");
            int code = builder.start().waitFor();
            JavaRun run = new JavaRun(text(out), text(err), network.calls());
            assertThat(code).as("exit code of %s%n%s", command, run).isZero();
            assertThat(run.err()).doesNotContain("WARNING");
            return run;
        }
    }

    private static String text(Path file) throws IOException {
        return Files.readString(file).replace(System.lineSeparator(), "\n");
    }

    @Override
    public String toString() {
        return out + err;
    }
}
