package ai.molae.cli.train;

import ai.molae.cli.plan.AtomicFile;
import ai.molae.djl.train.metrics.MetricsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Where a run keeps what it has:
 *
 * <pre>
 *   run.json        its options            metrics.jsonl   every step
 *   checkpoints/    to go on from          tensorboard/    the same for TensorBoard
 *   model/          the trained model      report.html     the same for people
 * </pre>
 */
record RunFolder(Path path) {

    private static final String CHECKPOINT = "step-";

    /** A folder for a new run: makes it if there is none. */
    static RunFolder create(Path folder) {
        Path path = folder.toAbsolutePath().normalize();
        RunFolder run = new RunFolder(path);
        if (Files.exists(run.settings())) {
            throw new IllegalArgumentException(
                    "the folder " + path + " holds a run already; go on with it: molae resume " + folder
                            + ", or give another folder with --out");
        }
        try {
            if (Files.exists(path) && !(Files.isDirectory(path) && isEmpty(path))) {
                throw new IllegalArgumentException("the folder " + path
                        + " exists and is not empty; nothing in it is overwritten: give another one with --out");
            }
            Files.createDirectories(path);
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "cannot write a run at " + path + " (" + e + "); give another folder with --out", e);
        }
        return run;
    }

    /** The folder of a run that there is. */
    static RunFolder open(Path folder) {
        Path path = folder.toAbsolutePath().normalize();
        RunFolder run = new RunFolder(path);
        if (!Files.isRegularFile(run.settings())) {
            throw new IllegalArgumentException(path + (Files.isDirectory(path) ? " has no run.json" : " is no folder")
                    + "; name the folder that molae train wrote with --out");
        }
        return run;
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
    }

    /** The options, see {@link ConfigFile}. */
    Path settings() {
        return path.resolve("run.json");
    }

    Path checkpoints() {
        return path.resolve("checkpoints");
    }

    Path metrics() {
        return path.resolve(MetricsFile.NAME);
    }

    Path tensorBoard() {
        return path.resolve("tensorboard");
    }

    Path report() {
        return path.resolve("report.html");
    }

    Path model() {
        return path.resolve("model");
    }

    /** Writes the options. */
    void writeSettings(String json) throws IOException {
        AtomicFile.write(settings(), json + "\n");
    }

    /** The steps of which there are checkpoints, the earliest first. */
    List<Long> steps() throws IOException {
        if (!Files.isDirectory(checkpoints())) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(checkpoints())) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.matches(CHECKPOINT + "\\d{10,18}"))
                    .map(name -> Long.valueOf(name.substring(CHECKPOINT.length())))
                    .sorted()
                    .toList();
        }
    }

    /** The checkpoint of a step. */
    Path checkpoint(long step) throws IOException {
        if (!steps().contains(step)) {
            throw new IllegalArgumentException("there is no checkpoint of step " + step + " in " + checkpoints()
                    + "; there are " + (steps().isEmpty() ? "none" : "those of " + steps()));
        }
        return checkpoints().resolve(String.format(Locale.ROOT, "%s%010d", CHECKPOINT, step));
    }

    /** Takes a run back that has not begun: whatever was refused leaves nothing. */
    void discard() throws IOException {
        Files.deleteIfExists(settings());
        Files.deleteIfExists(checkpoints().resolve(".lock"));
        Files.deleteIfExists(checkpoints());
        Files.deleteIfExists(path);
    }
}
