package ai.molae.cli.convert;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * What an interrupted command leaves for the next one, in a hidden folder beside the target: the calibration, the checkpoints of healing, and
 * the command that they belong to.
 */
final class WorkFolder {

    private static final String COMMAND = "command.txt";
    private static final String CONVERTED = "converted";

    private final Path folder;

    private WorkFolder(Path folder) {
        this.folder = folder;
    }

    /**
     * Opens the folder of a target. What another command left is thrown away.
     *
     * @param target where the converted model will be
     * @param command the options that decide what is done
     * @param restart to throw away what the same command left
     */
    static WorkFolder open(Path target, String command, boolean restart) throws IOException {
        Path folder = folder(target);
        Path file = folder.resolve(COMMAND);
        boolean same = Files.exists(file) && Files.readString(file).equals(command);
        if (restart || !same) {
            delete(folder);
            Files.createDirectories(folder);
            Files.writeString(file, command);
        }
        return new WorkFolder(folder);
    }

    private static Path folder(Path target) {
        Path absolute = target.toAbsolutePath().normalize();
        Path name = absolute.getFileName();
        if (name == null) {
            throw new IllegalArgumentException("the converted model cannot be the root " + absolute);
        }
        return absolute.resolveSibling("." + name + "-work");
    }

    /** Where the calibration is while nobody else wants it. */
    Path calibration() {
        return folder.resolve("calibration");
    }

    /** Where healing keeps its checkpoints. */
    Path healing() {
        return folder.resolve("healing");
    }

    /** The conversion is done, and what is left to do begins with a finished checkpoint. */
    boolean isConverted() {
        return Files.exists(converted());
    }

    void markConverted() throws IOException {
        Files.writeString(converted(), "");
    }

    private Path converted() {
        return folder.resolve(CONVERTED);
    }

    /** Nothing is left to do. */
    void remove() throws IOException {
        delete(folder);
    }

    /** Whether a command was interrupted after it had converted. */
    static boolean isLeft(Path target, String command) throws IOException {
        Path folder = folder(target);
        Path file = folder.resolve(COMMAND);
        return Files.exists(folder.resolve(CONVERTED))
                && Files.exists(file)
                && Files.readString(file).equals(command);
    }

    /** Deletes a folder with all that is in it. */
    static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        List<Path> files;
        try (Stream<Path> walk = Files.walk(folder)) {
            files = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path file : files) {
            Files.delete(file);
        }
    }
}
