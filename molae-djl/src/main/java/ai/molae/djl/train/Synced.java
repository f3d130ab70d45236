package ai.molae.djl.train;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Makes what was written last through a loss of power. */
final class Synced {

    private Synced() {}

    /** Opened for reading if that suffices, because a copied file may be read-only; Windows wants to write. */
    static void file(Path file) throws IOException {
        try {
            force(file, StandardOpenOption.READ);
        } catch (IOException e) {
            force(file, StandardOpenOption.WRITE);
        }
    }

    private static void force(Path file, StandardOpenOption option) throws IOException {
        try (FileChannel channel = FileChannel.open(file, option)) {
            channel.force(true);
        }
    }

    /** The names in a folder, where the system lets a folder be opened. */
    static void folder(Path folder) {
        try {
            force(folder, StandardOpenOption.READ);
        } catch (IOException e) {
            // Windows does not; there the file system's own journal has to do
        }
    }
}
