package ai.molae.cli.convert;

import ai.molae.djl.hf.CheckpointDraft;
import java.io.IOException;
import java.nio.file.Path;

/** What an interrupted converter leaves beside its target. */
final class Conversions {

    private Conversions() {}

    /** Throws away what is unfinished. */
    static void discard(Path target) throws IOException {
        CheckpointDraft.discard(target);
    }
}
