package ai.molae.cli.convert;

import ai.molae.djl.files.Folders;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.hf.CheckpointDraft;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * What an interrupted command leaves for the next one, in a hidden folder beside the target: the calibration, the checkpoints of healing, the healed
 * model until it takes the place of the converted one, and the command that they belong to.
 */
final class WorkFolder {

    private static final String COMMAND = "command.txt";

    private final Path target;
    private final Path folder;
    private final boolean fresh;

    private WorkFolder(Path target, Path folder, boolean fresh) {
        this.target = target;
        this.folder = folder;
        this.fresh = fresh;
    }

    /**
     * Opens the folder of a target.
     *
     * @param target where the converted model will be
     * @param command the options that decide what is done
     * @param restart to throw away what an interrupted command left
     * @throws IllegalArgumentException if the target is there, and not because the same command was interrupted, or if another command left
     *     something
     */
    static WorkFolder open(Path target, String command, boolean restart) throws IOException {
        Path folder = folder(target);
        Path file = folder.resolve(COMMAND);
        boolean known = Files.exists(file) && !restart;
        boolean same = known && SmallText.read(file, SmallText.SETTINGS).equals(command);
        if (Files.exists(target) && !isEmptyFolder(target) && !(same && Reports.isThere(target))) {
            throw new IllegalArgumentException(
                    target
                            + " exists and is not empty; nothing in it is overwritten: name another folder for the converted model");
        }
        if (known && !same) {
            throw new IllegalArgumentException(
                    "a conversion into " + target + " with other options was interrupted; its command, in " + file
                            + ", goes on with it, and --restart throws it away");
        }
        boolean fresh = restart || (!known && !Files.exists(CheckpointDraft.folderOf(target)));
        if (restart) {
            CheckpointDraft.discard(target);
        }
        if (!same) {
            Folders.delete(folder);
            Files.createDirectories(folder);
            Files.writeString(file, command);
        }
        return new WorkFolder(target, folder, fresh);
    }

    private static boolean isEmptyFolder(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return false;
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
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

    /** Where the healed model is until it is complete, with its reports. */
    Path healed() {
        return folder.resolve("healed");
    }

    /** Where the converted model goes when the healed one takes its place. */
    private Path replaced() {
        return folder.resolve("replaced");
    }

    /** The conversion is done: the target appears with its report. */
    boolean isConverted() {
        return Reports.isThere(target);
    }

    /** The healed model is complete, in its place or not. */
    boolean isHealed() {
        return Reports.isThere(healed()) || Files.exists(replaced());
    }

    /** Puts the healed model in the place of the converted one, or goes on with that. */
    void putHealedInPlace() throws IOException {
        if (Files.exists(healed())) {
            if (Files.exists(target)) {
                Files.move(target, replaced());
            }
            Files.move(healed(), target);
        }
    }

    /** Throws away what a command that is refused has begun, but nothing that was there before it or is converted. */
    void forget() throws IOException {
        if (fresh && !isConverted()) {
            CheckpointDraft.discard(target);
            remove();
        }
    }

    /** Nothing is left to do. */
    void remove() throws IOException {
        Folders.delete(folder);
    }
}
