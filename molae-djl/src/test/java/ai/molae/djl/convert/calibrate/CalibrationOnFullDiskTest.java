package ai.molae.djl.convert.calibrate;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.hf.Checkpoint;
import ai.molae.spec.ModelSpec;
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

/** A calibration that does not fit on the disk leaves nothing. */
class CalibrationOnFullDiskTest {

    /** Experts' inputs of 8 · 4 · 256² bytes = 2 MB more than the limit; what libtorch loads is less. */
    private static final MoeSpec WIDE = TinyCheckpoints.MOE.toBuilder()
            .setHiddenSize(256)
            .setIntermediateSize(4)
            .build();

    @TempDir
    private Path folder;

    /** The shell lets the process write files of so many kilobytes only; writing more fails as on a full disk. */
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void aLayerThatDoesNotFitLeavesNothing() throws IOException, InterruptedException {
        ModelSpec spec = TinyCheckpoints.spec(WIDE).build();
        Path model = TinyCheckpoints.save(spec, folder.resolve("model"), 1);
        Path target = folder.resolve("calibration");
        List<String> java = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-Xshare:off",
                "-Dai.djl.offline=true",
                "-cp",
                System.getProperty("java.class.path"),
                CalibrationOnFullDiskTest.class.getName(),
                model.toString(),
                target.toString());
        // A signal for the limit would end the process; ignored, writing fails.
        List<String> shell = List.of("sh", "-c", "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", "sh");
        Process process = new ProcessBuilder(
                        Stream.concat(shell.stream(), java.stream()).toList())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        assertThat(output).contains("failed: ").contains("File too large").doesNotContain("calibrated");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(model);
        }
    }

    /**
     * The process under test.
     *
     * @param args the model, and where the calibration is to be
     */
    public static void main(String[] args) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(Path.of(args[0]))) {
            Calibrator.builder()
                    .setCheckpoint(checkpoint)
                    .setWindows(TinyCheckpoints.windows(checkpoint.spec(), 2, 4, 1))
                    .setTarget(Path.of(args[1]))
                    .optSettings(new MomentSettings(true, InnerMoments.NONE))
                    .build()
                    .calibrate();
            System.out.println("calibrated");
        } catch (IOException e) {
            System.out.println("failed: " + e.getMessage());
        }
    }
}
