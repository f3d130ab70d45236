package ai.molae.djl.train;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A checkpoint is not what was written. The message names the file and says what differs. */
public class CorruptCheckpointException extends IOException {

    private static final long serialVersionUID = 1;

    /** What differs. */
    private final String problem;

    /**
     * An exception.
     *
     * @param folder the checkpoint
     * @param problem what differs
     */
    public CorruptCheckpointException(Path folder, String problem) {
        this(folder, problem, null);
    }

    /**
     * An exception with its cause.
     *
     * @param folder the checkpoint
     * @param problem what differs
     * @param cause what reading it gave
     */
    public CorruptCheckpointException(Path folder, String problem, @Nullable Throwable cause) {
        super("the checkpoint " + folder + " is damaged: " + problem, cause);
        this.problem = problem;
    }

    String problem() {
        return problem;
    }
}
