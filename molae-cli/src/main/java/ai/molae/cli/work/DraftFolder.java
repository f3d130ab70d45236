package ai.molae.cli.quickstart;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * A folder that appears complete or not at all: files are written into a hidden folder beside it, which is renamed at the end.
 */
final class ReportFolder implements AutoCloseable {

    private final Path target;
    private final Path draft;

    /**
     * Makes the hidden folder, so that a place that cannot be written is found before hours of work.
     *
     * @throws IllegalArgumentException if the target exists and is not an empty folder, or cannot be written
     */
    ReportFolder(Path folder) {
        target = folder.toAbsolutePath().normalize();
        Path parent = target.getParent();
        try {
            if (Files.exists(target) && !(Files.isDirectory(target) && isEmpty(target))) {
                throw new IllegalArgumentException("the report folder " + target
                        + " exists and is not empty; nothing in it is overwritten: give another one with --out");
            }
            if (parent == null) {
                throw new IllegalArgumentException("the report folder cannot be the root " + target);
            }
            Files.createDirectories(parent);
            draft = Files.createDirectory(parent.resolve("." + target.getFileName() + "-" + UUID.randomUUID()));
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "cannot write a report folder at " + target + " (" + e + "); give another one with --out");
        }
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.findAny().isEmpty();
        }
    }

    /** Where to write a file. */
    Path file(String name) {
        return draft.resolve(name);
    }

    /** Lets the folder appear under its name. */
    Path publish() throws IOException {
        Files.deleteIfExists(target);
        try {
            Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(draft, target);
        }
        return target;
    }

    /** Removes the hidden folder if it was not published. */
    @Override
    public void close() throws IOException {
        if (Files.exists(draft)) {
            List<Path> files;
            try (Stream<Path> walk = Files.walk(draft)) {
                files = walk.sorted(Comparator.reverseOrder()).toList();
            }
            for (Path file : files) {
                Files.delete(file);
            }
        }
    }
}
