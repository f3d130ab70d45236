package ai.molae.djl.files;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Runs a main method in a process of its own, which may write files of limited size only: writing more fails as on a full disk. */
public final class ChildProcess {

    private ChildProcess() {}

    /**
     * Runs it to its end, with the class path of this process.
     *
     * @param blocks the largest file, in blocks of 512 or 1024 bytes, whichever the shell takes; what libtorch loads must be smaller
     * @param main the class of the main method
     * @param args its arguments
     * @return what it printed, complaints included
     */
    public static String withLargestFile(int blocks, Class<?> main, Object... args)
            throws IOException, InterruptedException {
        return run("ulimit -f " + blocks, Path.of(""), System.getProperty("java.class.path"), main, args);
    }

    /**
     * Runs it to its end without a limit, otherwise alike.
     *
     * @param main the class of the main method
     * @param args its arguments
     * @return what it printed, complaints included
     */
    public static String withoutLimit(Class<?> main, Object... args) throws IOException, InterruptedException {
        return in(Path.of(""), main, args);
    }

    /**
     * Runs it to its end without a limit, in another working folder, whose classes it sees too.
     *
     * @param folder the working folder
     * @param main the class of the main method
     * @param args its arguments
     * @return what it printed, complaints included
     */
    public static String in(Path folder, Class<?> main, Object... args) throws IOException, InterruptedException {
        String classes = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(entry -> Path.of(entry).toAbsolutePath().toString())
                .collect(Collectors.joining(File.pathSeparator));
        return run("ulimit -f unlimited", folder, classes + File.pathSeparator + ".", main, args);
    }

    private static String run(String limit, Path folder, String classPath, Class<?> main, Object... args)
            throws IOException, InterruptedException {
        List<String> command = List.of(
                "sh",
                "-c",
                // A signal for the limit would end the process; ignored, writing fails.
                "trap '' XFSZ; " + limit + "; exec \"$@\"",
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-Xshare:off",
                "-Dai.djl.offline=true",
                "-Dmolae.cache="
                        + Path.of(System.getProperty("molae.cache", "target/molae-cache"))
                                .toAbsolutePath(),
                "-cp",
                classPath,
                main.getName());
        Process process = new ProcessBuilder(
                        Stream.concat(command.stream(), Stream.of(args).map(String::valueOf))
                                .toList())
                .directory(folder.toAbsolutePath().toFile())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return output;
    }
}
