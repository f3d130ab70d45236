package ai.molae.cli.plan;

import ai.molae.djl.files.WholeFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes a file that a user has named, so that it is either the old one or the whole new one, and never over a device. */
public final class AtomicFile {

    private AtomicFile() {}

    /**
     * Writes a text file.
     *
     * @param file the file; what a symbolic link points at is replaced, not the link
     * @param text its content, in UTF-8
     * @throws IllegalArgumentException if it is not a regular file, or its folder does not exist or refuses files
     * @throws IOException if writing fails; nothing is left behind then
     */
    public static void write(Path file, String text) throws IOException {
        WholeFile.write(target(file), text);
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
