package ai.molae.djl.convert.calibrate;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.files.ChildProcess;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void aLayerThatDoesNotFitLeavesNothing() throws IOException, InterruptedException {
        ModelSpec spec = TinyCheckpoints.spec(WIDE).build();
        Path model = TinyCheckpoints.save(spec, folder.resolve("model"), 1);
        Path target = folder.resolve("calibration");
        String output = ChildProcess.withLargestFile(2048, CalibrationOnFullDiskTest.class, model, target);
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
