package ai.molae.cli.work;

import ai.molae.djl.train.LmTrainingListener;
import ai.molae.route.LoadStatistics;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Optional;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows training: a bar on a terminal, a plain line every tenth of the way elsewhere. Both tell the loss, learning rate, gradient norm before clipping,
 * mean speed, model FLOPs utilisation if it is known, the imbalance of the worst layer, and the time left.
 */
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
    public void onStart(long step) {
        bar.ifPresent(b -> b.stepTo(step));
    }

    @Override
    public void onStep(Step step) {
        String message = describe(step, validationLoss);
        bar.ifPresent(b -> b.setExtraMessage(message).stepTo(step.step()));
        if (bar.isEmpty() && !quiet && step.step() % Math.max(1, steps / 10) == 0) {
            out.println(name + " step " + step.step() + " of " + steps + ": " + message + ", "
                    + duration(step.remainingSeconds()) + " left");
            out.flush();
        }
    }

    /** What is known of a step, in a line: {@code loss 2.345 (val 2.400), lr 3.0e-04, grad 0.82, 12,345 tok/s, MFU 38 %, imbalance 1.7}. */
    static String describe(Step step, double validationLoss) {
        StringBuilder text = new StringBuilder(String.format(Locale.ROOT, "loss %.3f", step.loss()));
        if (!Double.isNaN(validationLoss)) {
            text.append(String.format(Locale.ROOT, " (val %.3f)", validationLoss));
        }
        text.append(String.format(
                Locale.ROOT,
                ", lr %.1e, grad %.2f, %,.0f tok/s",
                step.learningRate(),
                step.gradientNorm(),
                step.tokensPerSecond()));
        if (Double.isFinite(step.flopsUtilisation())) {
            text.append(String.format(Locale.ROOT, ", MFU %.0f %%", 100 * step.flopsUtilisation()));
        }
        step.load().stream()
                .mapToDouble(LoadStatistics::imbalance)
                .max()
                .ifPresent(worst -> text.append(String.format(Locale.ROOT, ", imbalance %.1f", worst)));
        return text.toString();
    }

    /** A time as one reads it: 45 s, 12:34, 3:25:00. */
    static String duration(double seconds) {
        long whole = Math.max(0, Math.round(seconds));
        if (whole < 60) {
            return whole + " s";
        }
        return whole < 3600
                ? String.format(Locale.ROOT, "%d:%02d", whole / 60, whole % 60)
                : String.format(Locale.ROOT, "%d:%02d:%02d", whole / 3600, whole % 3600 / 60, whole % 60);
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
