package ai.molae.cli.plan;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** Writes a file so that it is either the old one or the whole new one. */
public final class AtomicFile {

    private AtomicFile() {}

    /**
     * Writes a text file: first beside it, then moved over it.
     *
     * @param file the file; what a symbolic link points at is replaced, not the link
     * @param text its content, in UTF-8
     * @throws IllegalArgumentException if it is not a regular file, or its folder does not exist or refuses files
     * @throws IOException if writing fails; nothing is left behind then
     */
    public static void write(Path file, String text) throws IOException {
        Path target = target(file);
        // Not Files.createTempFile: its files are readable by their owner only, and so the result would be.
        Path temporary = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            Files.writeString(temporary, text, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    /** The file itself, without links, once it is known to be writable; a device must never be moved over. */
    static Path target(Path file) throws IOException {
        Path target = Files.exists(file) ? file.toRealPath() : file.toAbsolutePath();
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new IllegalArgumentException(
                    file + " is " + (Files.isDirectory(target) ? "a folder" : "no regular file")
                            + "; name a file, or leave --out away for standard output");
        }
        Path folder = target.getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new IllegalArgumentException(
                    "the folder of " + file + " does not exist; make it first, or name another");
        }
        if (!Files.isWritable(folder)) {
            throw new IllegalArgumentException("the folder " + folder + " is not writable; name another");
        }
        return target;
    }
}
