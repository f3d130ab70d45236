package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.files.ChildProcess;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints that cannot be written leave those that could. */
class FailingDiskTest {

    private static final int STEPS_BEFORE = 2;
    private static final int STEPS = 4;

    @TempDir
    private Path folder;

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void aCheckpointThatDoesNotFitLeavesTheOneBefore() throws IOException, InterruptedException {
        assertThat(ChildProcess.withoutLimit(FailingDiskTest.class, folder, STEPS_BEFORE))
                .contains("trained 2");

        String output = ChildProcess.withLargestFile(1024, FailingDiskTest.class, folder, STEPS);

        assertThat(output)
                .contains("cannot write the checkpoint " + folder.resolve("step-0000000004"))
                .contains("the one before, " + folder.resolve("step-0000000002") + ", is intact")
                .doesNotContain("trained");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(Path::getFileName).map(Path::toString).toList())
                    .containsExactlyInAnyOrder(".lock", "step-0000000002");
        }
        assertThat(ChildProcess.withoutLimit(FailingDiskTest.class, folder, STEPS))
                .contains("trained " + STEPS);
    }

    /**
     * The process under test.
     *
     * @param args the folder, and how many steps to train
     */
    public static void main(String[] args) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            // Three megabytes of experts, more than the limit; what libtorch loads is less.
            MoeSpec wide = SmallRun.MOE.toBuilder()
                    .setIntermediateSize(512)
                    .setNumExperts(16)
                    .build();
            CausalLm model = SmallRun.model(manager, wide, Precision.FLOAT32);
            try (LmTrainer trainer = LmTrainer.builder()
                    .setModel(model)
                    .setData(SmallRun.data())
                    .setConfig(SmallRun.config(Integer.parseInt(args[1])).build())
                    .optCheckpoints(Path.of(args[0]), CheckpointPolicy.everySteps(2))
                    .optAllowChanges(true)
                    .build()) {
                trainer.resume();
                trainer.train();
                System.out.println("trained " + trainer.step());
            } catch (IOException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    /** No folder can be made below a file, nor by anybody in the kernel's own file system. */
    @Test
    void aFolderThatCannotBeWrittenToIsRefusedBeforeTheFirstStep() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = SmallRun.model(manager, SmallRun.MOE, Precision.FLOAT32);
            for (Path place : List.of(file.resolve("checkpoints"), Path.of("/proc/checkpoints"))) {
                assertThatThrownBy(() -> LmTrainer.builder()
                                .setModel(model)
                                .setData(SmallRun.data())
                                .setConfig(SmallRun.config(1).build())
                                .optCheckpoints(place, CheckpointPolicy.standard())
                                .build())
                        .isInstanceOf(IOException.class)
                        .hasMessageContaining("cannot write checkpoints into " + place);
            }
        }
    }
}
