package ai.molae.cli.work;

import java.io.PrintWriter;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Shows how far work has come: a bar on a terminal, elsewhere a line every tenth of the way, or nothing. */
public final class Meter implements AutoCloseable {

    /** What is shown where there is no terminal. */
    public enum Plainly {
        /** Nothing: the work is short. */
        NOTHING,
        /** A line every tenth of the way. */
        TENTHS
    }

    /** Set by the launcher: a bar is for a terminal only. */
    private static final String TERMINAL = "molae.terminal";

    private final String task;
    private final long total;
    private final Optional<PrintWriter> lines;
    private final Optional<ProgressBar> bar;
    private long tenths;

    /**
     * Begins at nothing.
     *
     * @param task what is done, a word
     * @param total how much there is to do
     * @param unit of what
     * @param plainly what to show where there is no terminal
     * @param err where lines go
     * @param quiet to show nothing at all
     */
    public Meter(String task, long total, String unit, Plainly plainly, PrintWriter err, boolean quiet) {
        this.task = task;
        this.total = total;
        boolean terminal = isTerminal();
        lines = terminal || quiet || plainly == Plainly.NOTHING ? Optional.empty() : Optional.of(err);
        bar = terminal && !quiet ? Optional.of(bar(task, total, unit)) : Optional.empty();
    }

    /**
     * Whether standard error is a terminal.
     *
     * @return true if the launcher says so
     */
    public static boolean isTerminal() {
        return Boolean.getBoolean(TERMINAL);
    }

    private static ProgressBar bar(String task, long total, String unit) {
        return new ProgressBarBuilder()
                .setTaskName(task)
                .setInitialMax(total)
                .setUnit(" " + unit, 1)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(250)
                .build();
    }

    /**
     * Shows how far it is.
     *
     * @param done of the total
     * @param message what else to say
     */
    public void at(long done, String message) {
        bar.ifPresent(b -> b.setExtraMessage(message).stepTo(done));
        lines.ifPresent(out -> {
            long reached = total == 0 ? 10 : 10 * done / total;
            if (reached > tenths) {
                tenths = reached;
                out.println(task + " " + 10 * reached + " %" + (message.isEmpty() ? "" : ": " + message));
                out.flush();
            }
        });
    }

    @Override
    public void close() {
        bar.ifPresent(ProgressBar::close);
    }
}
