package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.files.ChildProcess;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A conversion that does not fit on the disk leaves no target and no half layers, and goes on when there is space. */
class ConversionOnFullDiskTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource({"1200, 32, 0", "16, 20000, 2"})
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void itGoesOnWhenThereIsSpace(int width, int vocabulary, int finishedLayers) throws Exception {
        MoeSpec moe = SmallMoe.MOE.toBuilder()
                .setHiddenSize(32)
                .setIntermediateSize(width)
                .build();
        Path source = SmallMoe.save(
                SmallMoe.spec(moe, vocabulary), folder.resolve("moe"), 1, (parameter, shape, values) -> {});
        Path target = folder.resolve("molae");

        assertThat(ChildProcess.withLargestFile(2048, ConversionOnFullDiskTest.class, source, target))
                .contains("failed: ")
                .contains("File too large")
                .doesNotContain("converted");
        assertThat(target).doesNotExist();
        try (Stream<Path> files = Files.walk(CheckpointDraft.folderOf(target))) {
            List<String> names = files.filter(Files::isRegularFile)
                    .map(file -> file.getFileName().toString())
                    .toList();
            assertThat(names.stream().filter(name -> name.endsWith(".safetensors")))
                    .hasSize(finishedLayers);
            assertThat(names).noneMatch(name -> name.endsWith(".part"));
        }

        converter(source, target).build().convert();
        converter(source, folder.resolve("whole")).build().convert();
        assertThat(SmallMoe.bytes(target)).isEqualTo(SmallMoe.bytes(folder.resolve("whole")));
    }

    private static Converter.Builder converter(Path source, Path target) {
        return SmallMoe.converter(
                source, target, SmallMoe.method(SmallMoe.rank(16), 4).build());
    }

    /**
     * The process under test.
     *
     * @param args source and target
     */
    public static void main(String[] args) {
        try {
            converter(Path.of(args[0]), Path.of(args[1])).build().convert();
            System.out.println("converted");
        } catch (IOException e) {
            System.out.println("failed: " + e.getMessage());
        }
    }
}
