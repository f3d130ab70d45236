package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A trainer among other threads: one trains at a time, and the thread that trains can be interrupted. */
class OneTrainerTest {

    private static final int STEPS = 6;

    @TempDir
    private Path folder;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private LmTrainer.Builder trainer(LmTrainingListener listener) {
        return LmTrainer.builder()
                .setModel(SmallRun.model(manager, SmallRun.MOLAE, Precision.FLOAT32))
                .setData(SmallRun.data())
                .setConfig(SmallRun.config(STEPS).build())
                .optListener(listener);
    }

    @Test
    void aSecondOneIsRefusedWhileTheFirstTrainsAndMayTrainAfterwards() throws Exception {
        List<Throwable> refused = new ArrayList<>();
        SmallRun.Recorder second = new SmallRun.Recorder();
        try (LmTrainer other = trainer(second).build();
                LmTrainer first = trainer(new LmTrainingListener() {
                            @Override
                            public void onStep(Step step) {
                                if (step.step() == 2) {
                                    runElsewhere(() -> {
                                        try {
                                            other.train();
                                        } catch (IllegalStateException | IOException e) {
                                            refused.add(e);
                                        }
                                    });
                                }
                            }
                        })
                        .build()) {
            first.train();
            assertThat(first.step()).isEqualTo(STEPS);
            assertThat(refused).hasSize(1);
            assertThat(refused.get(0))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContainingAll(
                            "another trainer trains on thread "
                                    + Thread.currentThread().getName(),
                            "wait",
                            "process");
            assertThat(second.steps).isEmpty();
            other.train();
            assertThat(other.step()).isEqualTo(STEPS);
        }
    }

    private static void runElsewhere(Runnable work) {
        Thread thread = new Thread(work);
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** In a step with a checkpoint due after it, and in the last one. */
    @ParameterizedTest
    @ValueSource(longs = {2, STEPS})
    void anInterruptClosesNoFileThatIsBeingWritten(long at) throws Exception {
        CheckpointPolicy often = new CheckpointPolicy(1, Duration.ZERO, 2, 0, false);
        LmTrainer interrupted = trainer(new LmTrainingListener() {
                    @Override
                    public void onStep(Step step) {
                        if (step.step() == at) {
                            Thread.currentThread().interrupt();
                        }
                    }
                })
                .optCheckpoints(folder, often)
                .build();
        try (interrupted) {
            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(interrupted::train)
                    .withMessageContainingAll("interrupted after step " + at, "step-000000000" + at);
        } finally {
            Thread.interrupted();
        }
    }

    @Test
    void interruptedItEndsAfterItsStepWithACheckpointFromWhichItGoesOn() throws Exception {
        SmallRun.Recorder whole = new SmallRun.Recorder();
        try (LmTrainer undisturbed = trainer(whole).build()) {
            undisturbed.train();
        }
        CheckpointPolicy rarely = new CheckpointPolicy(1000, Duration.ZERO, 2, 0, false);
        SmallRun.Recorder recorder = new SmallRun.Recorder();
        try (LmTrainer trainer =
                trainer(recorder).optCheckpoints(folder, rarely).build()) {
            LmTrainer interrupted = trainer(new LmTrainingListener() {
                        @Override
                        public void onStep(Step step) {
                            if (step.step() == 3) {
                                Thread.currentThread().interrupt();
                            }
                        }
                    })
                    .optCheckpoints(folder.resolve("run"), rarely)
                    .build();
            try (interrupted) {
                assertThatExceptionOfType(CancellationException.class)
                        .isThrownBy(interrupted::train)
                        .withMessageContainingAll("interrupted after step 3", "run", "step-0000000003");
                assertThat(Thread.interrupted()).isTrue();
            } finally {
                Thread.interrupted();
            }
            assertThat(trainer.step()).isZero();
        }
        SmallRun.Recorder rest = new SmallRun.Recorder();
        try (LmTrainer goesOn =
                trainer(rest).optCheckpoints(folder.resolve("run"), rarely).build()) {
            goesOn.resume();
            goesOn.train();
        }
        assertThat(rest.steps.get(0).step()).isEqualTo(4);
        assertThat(rest.steps.get(STEPS - 4).loss())
                .isEqualTo(whole.steps.get(STEPS - 1).loss());
        assertThatIllegalStateException()
                .isThrownBy(() -> {
                    try (LmTrainer fresh = trainer(new SmallRun.Recorder())
                            .optCheckpoints(folder.resolve("run"), rarely)
                            .build()) {
                        fresh.train();
                    }
                })
                .withMessageContaining("resume()");
    }
}
