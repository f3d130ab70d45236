package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
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

    /** The shell lets the process write files of so many kilobytes only; writing more fails as on a full disk. */
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void aCheckpointThatDoesNotFitLeavesTheOneBefore() throws IOException, InterruptedException {
        assertThat(run("ulimit -f unlimited", STEPS_BEFORE)).contains("trained 2");

        String output = run("ulimit -f 1024", STEPS);

        assertThat(output)
                .contains("cannot write the checkpoint " + folder.resolve("step-0000000004"))
                .contains("the one before, " + folder.resolve("step-0000000002") + ", is intact")
                .doesNotContain("trained");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(Path::getFileName).map(Path::toString).toList())
                    .containsExactlyInAnyOrder(".lock", "step-0000000002");
        }
        assertThat(run("ulimit -f unlimited", STEPS)).contains("trained " + STEPS);
    }

    private String run(String limit, int steps) throws IOException, InterruptedException {
        List<String> java = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-Xshare:off",
                "-Dai.djl.offline=true",
                "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                "-cp",
                System.getProperty("java.class.path"),
                FailingDiskTest.class.getName(),
                folder.toString(),
                String.valueOf(steps));
        // A signal for the limit would end the process; ignored, writing fails.
        List<String> shell = List.of("sh", "-c", "trap '' XFSZ; " + limit + "; exec \"$@\"", "sh");
        Process process = new ProcessBuilder(
                        Stream.concat(shell.stream(), java.stream()).toList())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return output;
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
