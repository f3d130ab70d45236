package ai.molae.djl.files;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Makes what was written last through a loss of power. */
public final class Disk {

    private Disk() {}

    /**
     * Forces the content of a file to the disk, and returns when it is there.
     *
     * @param file a file; may be read-only where the system forces such files
     * @throws IOException if it does not exist or the disk reports a fault; the content may be lost then
     */
    public static void force(Path file) throws IOException {
        // Not tried a second time if it fails: the system reports a fault once, and takes the content for written after
        // that.
        try (FileChannel channel = open(file)) {
            channel.force(true);
        }
    }

    /** For writing, because Windows forces nothing that is open for reading; a copied file may be read-only. */
    private static FileChannel open(Path file) throws IOException {
        try {
            return FileChannel.open(file, StandardOpenOption.WRITE);
        } catch (IOException e) {
            return FileChannel.open(file, StandardOpenOption.READ);
        }
    }

    /**
     * Forces the names in a folder to the disk, so that a file that was made, renamed or deleted there stays so. It does nothing where the system
     * cannot do it: Windows opens no folder, and its file system's own journal has to do.
     *
     * @param folder the folder; not those in it
     */
    public static void forceFolder(Path folder) {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException e) {
            // As said above: there is no other way to it.
        }
    }
}
