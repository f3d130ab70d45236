package ai.molae.djl.safetensors;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A file or folder that is not what the safetensors format says. The message names file and tensor, and gives the numbers. */
public final class SafetensorsException extends IOException {

    private static final long serialVersionUID = 1L;

    /**
     * A fault.
     *
     * @param file the file or folder
     * @param message what is wrong with it
     */
    public SafetensorsException(Path file, String message) {
        this(file, message, null);
    }

    /**
     * A fault found by another's exception.
     *
     * @param file the file or folder
     * @param message what is wrong with it
     * @param cause how it was found, or null
     */
    public SafetensorsException(Path file, String message, @Nullable Throwable cause) {
        super(file + ": " + message, cause);
    }
}
