package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.LmTrainingListener.Step;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class CombinedListenerTest {

    private static final Step STEP =
            new Step(3, 10, 2, 0, 1, 0.1, 30, 10, 1, 3, Double.NaN, OptionalLong.empty(), List.of());

    private final List<String> told = new ArrayList<>();

    /** Notes what it is told, and fails if told to. */
    private LmTrainingListener notes(String name, boolean fails) {
        return new LmTrainingListener() {
            private void note(String event) {
                told.add(name + " " + event);
                if (fails) {
                    throw new IllegalStateException(name + " fails at " + event);
                }
            }

            @Override
            public void onStart(long step) {
                note("start " + step);
            }

            @Override
            public void onStep(Step step) {
                note("step " + step.step());
            }

            @Override
            public void onEvaluation(Evaluation evaluation) {
                note("evaluation " + evaluation.step());
            }

            @Override
            public void beforeCheckpoint(long step) {
                note("before " + step);
            }

            @Override
            public void onCheckpoint(long step, Path folder) {
                note("checkpoint " + step + " " + folder);
            }

            @Override
            public void onEnd() {
                note("end");
            }
        };
    }

    private static void everything(LmTrainingListener listener) {
        listener.onStart(2);
        listener.onStep(STEP);
        listener.onEvaluation(new Evaluation(3, 2, 5));
        listener.beforeCheckpoint(3);
        listener.onCheckpoint(3, Path.of("here"));
        listener.onEnd();
    }

    @Test
    void everyoneIsToldEverythingInOrder() {
        everything(LmTrainingListener.all(List.of(notes("a", false), notes("b", false))));

        assertThat(told)
                .containsExactly(
                        "a start 2",
                        "b start 2",
                        "a step 3",
                        "b step 3",
                        "a evaluation 3",
                        "b evaluation 3",
                        "a before 3",
                        "b before 3",
                        "a checkpoint 3 here",
                        "b checkpoint 3 here",
                        "a end",
                        "b end");
    }

    @Test
    void oneThatFailsKeepsNobodyFromTheEnd() {
        LmTrainingListener all = LmTrainingListener.all(List.of(notes("a", true), notes("b", true), notes("c", false)));

        assertThatIllegalStateException()
                .isThrownBy(all::onEnd)
                .withMessage("a fails at end")
                .satisfies(e -> assertThat(e.getSuppressed())
                        .singleElement()
                        .extracting(Throwable::getMessage)
                        .isEqualTo("b fails at end"));
        assertThat(told).containsExactly("a end", "b end", "c end");
    }
}
