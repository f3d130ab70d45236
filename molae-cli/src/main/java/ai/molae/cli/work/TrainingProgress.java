package ai.molae.cli.work;

import ai.molae.djl.train.LmTrainingListener;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** Shows training: a bar on a terminal, a plain line every tenth of the way elsewhere. */
public final class TrainingProgress implements LmTrainingListener, AutoCloseable {

    private final String name;
    private final long steps;
    private final PrintWriter out;
    private final boolean quiet;
    private final Optional<ProgressBar> bar;
    private double validationLoss = Double.NaN;

    /**
     * Begins at step 0.
     *
     * @param name what is trained
     * @param steps how many there will be
     * @param out where lines go
     * @param quiet to show nothing
     */
    public TrainingProgress(String name, long steps, PrintWriter out, boolean quiet) {
        this.name = name;
        this.steps = steps;
        this.out = out;
        this.quiet = quiet;
        this.bar = Meter.isTerminal() && !quiet ? Optional.of(bar(name, steps)) : Optional.empty();
    }

    private static ProgressBar bar(String name, long steps) {
        return new ProgressBarBuilder()
                .setTaskName(String.format("%-5s", name))
                .setInitialMax(steps)
                .setUnit(" steps", 1)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(250)
                .build();
    }

    @Override
    public void onStep(Step step) {
        String message = String.format(
                Locale.ROOT,
                "loss %.3f%s, %,.0f tok/s",
                step.loss(),
                Double.isNaN(validationLoss) ? "" : String.format(Locale.ROOT, " (val %.3f)", validationLoss),
                step.tokensPerSecond());
        bar.ifPresent(b -> b.setExtraMessage(message).step());
        if (bar.isEmpty() && !quiet && step.step() % Math.max(1, steps / 10) == 0) {
            out.printf(
                    Locale.ROOT,
                    "%s step %d of %d: %s, %.0f s left%n",
                    name,
                    step.step(),
                    steps,
                    message,
                    step.remainingSeconds());
            out.flush();
        }
    }

    @Override
    public void onEvaluation(Evaluation evaluation) {
        validationLoss = evaluation.loss();
    }

    @Override
    public void close() {
        bar.ifPresent(ProgressBar::close);
    }
}
