package ai.molae.cli.work;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.LmTrainingListener.Step;
import ai.molae.route.LoadStatistics;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrainingProgressTest {

    /** A step of 4096 tokens in two seconds. */
    private static Step step(long step, double utilisation, LoadStatistics... loads) {
        return new Step(
                step,
                40,
                2.3456,
                0.01,
                0.823,
                3e-4,
                4096 * step,
                4096,
                2,
                2.0 * step,
                utilisation,
                OptionalLong.empty(),
                List.of(loads).stream()
                        .map(load -> new LayerRouting(0, load, 1, 1, 1))
                        .toList());
    }

    @Test
    void tellsEverythingThatIsKnownOfAStep() {
        // imbalances 4/2 = 2 and 9/3 = 3
        Step step =
                step(1, 0.376, new LoadStatistics(new long[] {4, 0}, 0), new LoadStatistics(new long[] {9, 0, 0}, 0));

        assertThat(TrainingProgress.describe(step, 2.4))
                .isEqualTo("loss 2.346 (val 2.400), lr 3.0e-04, grad 0.82, 2,048 tok/s, MFU 38 %, imbalance 3.0");
    }

    @Test
    void leavesOutWhatIsNotKnown() {
        assertThat(TrainingProgress.describe(step(1, Double.NaN), Double.NaN))
                .isEqualTo("loss 2.346, lr 3.0e-04, grad 0.82, 2,048 tok/s");
    }

    @ParameterizedTest
    @CsvSource({"0, 0 s", "59.4, 59 s", "60, 1:00", "754, 12:34", "3600, 1:00:00", "12305, 3:25:05"})
    void timesReadAsUsual(double seconds, String text) {
        assertThat(TrainingProgress.duration(seconds)).isEqualTo(text);
    }

    @Test
    void withoutATerminalThereIsALineEveryTenth() {
        StringWriter lines = new StringWriter();
        try (TrainingProgress progress = new TrainingProgress("MoE", 40, new PrintWriter(lines), false)) {
            progress.onStart(4);
            for (long step = 5; step <= 12; step++) {
                progress.onStep(step(step, Double.NaN));
                progress.onEvaluation(new Evaluation(step, 2.4, 10));
            }
        }

        assertThat(lines.toString().lines())
                .containsExactly(
                        "MoE step 8 of 40: loss 2.346 (val 2.400), lr 3.0e-04, grad 0.82, 2,048 tok/s, 1:04 left",
                        "MoE step 12 of 40: loss 2.346 (val 2.400), lr 3.0e-04, grad 0.82, 2,048 tok/s, 56 s left");
    }

    @Test
    void quietIsQuiet() {
        StringWriter lines = new StringWriter();
        try (TrainingProgress progress = new TrainingProgress("MoE", 1, new PrintWriter(lines), true)) {
            progress.onStep(step(1, Double.NaN));
        }

        assertThat(lines.toString()).isEmpty();
    }
}
