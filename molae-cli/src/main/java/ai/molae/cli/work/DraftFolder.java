package ai.molae.cli.work;

import ai.molae.djl.files.Folders;
import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * A folder that appears complete or not at all: files are written into a hidden folder beside it, which is renamed at the end.
 */
public final class DraftFolder implements AutoCloseable {

    private final Path target;
    private final Path draft;
    private final boolean replaces;

    /**
     * Makes the hidden folder, so that a place that cannot be written is found before hours of work.
     *
     * @param what what the folder is called in messages
     * @param folder where it will appear
     * @throws IllegalArgumentException if the target exists and is not an empty folder, or cannot be written
     */
    public DraftFolder(String what, Path folder) {
        this(what, folder, false);
    }

    private DraftFolder(String what, Path folder, boolean replaces) {
        this.replaces = replaces;
        target = folder.toAbsolutePath().normalize();
        Path parent = target.getParent();
        try {
            if (!replaces && Files.exists(target) && !(Files.isDirectory(target) && isEmpty(target))) {
                throw new IllegalArgumentException("the " + what + " " + target
                        + " exists and is not empty; nothing in it is overwritten: give another one with --out");
            }
            if (parent == null) {
                throw new IllegalArgumentException("the " + what + " cannot be the root " + target);
            }
            Files.createDirectories(parent);
            draft = Files.createDirectory(parent.resolve("." + target.getFileName() + "-" + UUID.randomUUID()));
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "cannot write a " + what + " at " + target + " (" + e + "); give another one with --out");
        }
    }

    /**
     * A folder that takes the place of an older one, which stays until this one is complete.
     *
     * @param what what the folder is called in messages
     * @param folder where it will appear
     * @return the folder
     * @throws IllegalArgumentException if it cannot be written
     */
    public static DraftFolder replacing(String what, Path folder) {
        return new DraftFolder(what, folder, true);
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
    }

    /**
     * The hidden folder.
     *
     * @return where to write
     */
    public Path path() {
        return draft;
    }

    /**
     * Where to write a file.
     *
     * @param name its name
     * @return its path
     */
    public Path file(String name) {
        return draft.resolve(name);
    }

    /**
     * Lets the folder appear under its name.
     *
     * @return the folder
     * @throws IOException if it cannot be renamed
     */
    public Path publish() throws IOException {
        if (replaces && Files.exists(target)) {
            Path old = Files.move(target, draft.resolveSibling(draft.getFileName() + "-old"));
            rename();
            Folders.delete(old);
        } else {
            Files.deleteIfExists(target);
            rename();
        }
        return target;
    }

    private void rename() throws IOException {
        try {
            Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(draft, target);
        }
    }

    /** Removes the hidden folder if it was not published. */
    @Override
    public void close() throws IOException {
        Folders.delete(draft);
    }
}
