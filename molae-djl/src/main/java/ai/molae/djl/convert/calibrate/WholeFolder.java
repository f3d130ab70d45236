package ai.molae.djl.convert.calibrate;

import ai.molae.djl.files.Disk;
import ai.molae.djl.files.Folders;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import java.util.stream.Stream;

/** A folder that is there completely or not at all: filled beside its place, forced to the disk, then renamed. */
final class WholeFolder implements AutoCloseable {

    private static final String PART = ".part";

    private final Path place;
    private final Path part;

    private WholeFolder(Path place, Path part) {
        this.place = place;
        this.part = part;
    }

    /**
     * Begins a folder, and removes what an interrupted process has left of one.
     *
     * @param place where it will be; absolute
     * @param bytes how much will be written, about
     * @return the folder, empty
     * @throws IOException if something is there already, it cannot be made, or there is not space enough
     */
    static WholeFolder begin(Path place, long bytes) throws IOException {
        if (Files.exists(place)) {
            throw new FileAlreadyExistsException(
                    place.toString(), null, "there is something already; remove it or choose another place");
        }
        Path part = place.resolveSibling(place.getFileName() + PART);
        WholeFolder folder = new WholeFolder(place, part);
        folder.close();
        Files.createDirectories(part);
        long usable = Files.getFileStore(part).getUsableSpace();
        // Some file systems do not know, and say 0.
        if (usable > 0 && usable < bytes) {
            folder.close();
            throw new IOException("cannot write " + place + ": there is space for " + usable + " bytes, it will have "
                    + bytes + "; make room, or collect fewer moments");
        }
        return folder;
    }

    /** Where to write. */
    Path part() {
        return part;
    }

    /** Gives it its name. */
    void finish() throws IOException {
        try (Stream<Path> files = Files.list(part)) {
            for (Path file : files.toList()) {
                Disk.force(file);
            }
        }
        Disk.forceFolder(part);
        Files.move(part, place, StandardCopyOption.ATOMIC_MOVE);
        Disk.forceFolder(Objects.requireNonNull(place.getParent(), "the root"));
    }

    /** Removes what has not got its name. */
    @Override
    public void close() throws IOException {
        Folders.delete(part);
    }
}
