package ai.molae.cli.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.djl.ndarray.NDManager;
import ai.molae.cli.TinyCheckpoint;
import ai.molae.cli.work.Interruption;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointsTest {

    @TempDir
    private Path folder;

    @Test
    void loadingEndsAtTheNextChunkWhenItIsInterrupted() throws IOException, InterruptedException {
        TinyCheckpoint.write(folder, TinyCheckpoint.spec(256));
        StringWriter err = new StringWriter();
        Interruption interruption = new Interruption();
        Thread hook = new Thread(interruption::interrupt);
        try (interruption;
                NDManager manager = NDManager.newBaseManager();
                Checkpoint checkpoint = Checkpoints.open(folder)) {
            Checkpoints.Loading loading = new Checkpoints.Loading(new PrintWriter(err, true), false, interruption);
            interruption.onInterrupt(() -> {});
            hook.start();
            while (!interruption.happened()) {
                Thread.onSpinWait();
            }

            assertThatExceptionOfType(CancellationException.class)
                    .isThrownBy(() -> loading.forInference(checkpoint, manager, Precision.BFLOAT16));
            int exitCode = interruption.guard(new PrintWriter(err, true), () -> {
                loading.forTraining(checkpoint, manager, Precision.FLOAT32);
                return 0;
            });
            assertThat(exitCode).isEqualTo(130);
            assertThat(err.toString()).isEqualTo("molae: interrupted" + System.lineSeparator());
        }
        hook.join(10_000);
        assertThat(hook.isAlive()).isFalse();
    }
}
