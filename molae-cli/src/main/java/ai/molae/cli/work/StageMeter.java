package ai.molae.cli.work;

import ai.molae.djl.convert.Converter;
import java.io.PrintWriter;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Shows work that has several stages, each with a bar of its own. */
public final class StageMeter implements Consumer<Converter.Progress>, AutoCloseable {

    private final PrintWriter err;
    private final boolean quiet;
    private String stage = "";
    private @Nullable Meter meter;

    /**
     * Begins before the first stage.
     *
     * @param err where lines go where there is no terminal
     * @param quiet to show nothing
     */
    public StageMeter(PrintWriter err, boolean quiet) {
        this.err = err;
        this.quiet = quiet;
    }

    /**
     * Shows how far it is.
     *
     * @param progress the stage, and how much of it is done
     */
    @Override
    public synchronized void accept(Converter.Progress progress) {
        Meter current = meter;
        if (current == null || !stage.equals(progress.stage())) {
            close();
            stage = progress.stage();
            current = new Meter(stage, progress.total(), "", Meter.Plainly.TENTHS, err, quiet);
            meter = current;
        }
        current.at(progress.done(), "");
    }

    @Override
    public synchronized void close() {
        if (meter != null) {
            meter.close();
            meter = null;
        }
    }
}
