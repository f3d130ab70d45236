package ai.molae.cli.convert;

import ai.molae.cli.work.Interruption;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;

/** The text that losses are measured on, as {@code molae eval} does. */
final class HeldOut {

    private final List<Path> text;
    private final TextOptions reading;
    private final PrintWriter err;
    private final boolean quiet;
    private final Interruption interruption;

    HeldOut(List<Path> text, TextOptions reading, PrintWriter err, boolean quiet, Interruption interruption) {
        this.text = text;
        this.reading = reading;
        this.err = err;
        this.quiet = quiet;
        this.interruption = interruption;
    }

    /** The mean cross-entropy of a model in nats per token; empty without a text. */
    OptionalDouble measure(Checkpoint checkpoint) throws IOException {
        if (text.isEmpty()) {
            return OptionalDouble.empty();
        }
        return OptionalDouble.of(
                ai.molae.cli.eval.TextOptions.of(text, reading.tokenizer(), reading.sequence(checkpoint))
                        .evaluate(checkpoint, 1, err, quiet, interruption)
                        .result()
                        .loss());
    }
}
