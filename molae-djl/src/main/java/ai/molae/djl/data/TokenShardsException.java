package ai.molae.djl.data;

import ai.molae.djl.files.Shown;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Tokenized data that is damaged, incomplete or of another kind. The message names the file, gives the numbers, and says what to do. */
public final class TokenShardsException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    private static final String ADVICE = "; copy the folder again, or tokenize the text again with molae tokenize";

    TokenShardsException(Path file, String message) {
        this(file, message, null);
    }

    TokenShardsException(Path file, String message, @Nullable Throwable cause) {
        super(file + ": " + Shown.message(message) + ADVICE, cause);
    }
}
