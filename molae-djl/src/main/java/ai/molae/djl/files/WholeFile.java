package ai.molae.djl.files;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/**
 * Writes a small file so that under its name stands the old content or the whole new one, for readers, after a kill and after a loss of power:
 * beside its place, forced to the disk, renamed. Several may write one file at a time; the last one's content stays.
 *
 * <p>A kill can leave a hidden file {@code .NAME.RANDOM.part} beside the place.
 */
public final class WholeFile {

    private WholeFile() {}

    /**
     * Writes a text.
     *
     * @param file replaced if it exists, and if it is a symbolic link, not what it points at; its folder is made if it is missing
     * @param text what will be in it, as UTF-8
     * @throws IOException if it cannot be written; an older file stays then, and nothing else is left
     */
    public static void write(Path file, String text) throws IOException {
        write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Writes bytes.
     *
     * @param file replaced if it exists, and if it is a symbolic link, not what it points at; its folder is made if it is missing
     * @param bytes what will be in it; not changed
     * @throws IOException if it cannot be written; an older file stays then, and nothing else is left
     */
    public static void write(Path file, byte[] bytes) throws IOException {
        Path target = file.toAbsolutePath();
        // Not Files.createTempFile: its files are readable by their owner only, and so the result would be.
        Path part = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".part");
        Path folder = target.getParent();
        if (folder != null) {
            Files.createDirectories(folder);
        }
        try {
            Files.write(part, bytes, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            Disk.force(part);
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(part);
        }
        if (folder != null) {
            Disk.forceFolder(folder);
        }
    }
}
