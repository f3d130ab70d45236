package ai.molae.cli.convert;

import java.io.IOException;
import java.nio.file.Path;

/** What an interrupted converter leaves beside its target. */
final class Conversions {

    private Conversions() {}

    /** Throws away what is unfinished. */
    static void discard(Path target) throws IOException {
        WorkFolder.delete(
                target.toAbsolutePath().normalize().resolveSibling("." + target.getFileName() + "-conversion"));
    }
}
