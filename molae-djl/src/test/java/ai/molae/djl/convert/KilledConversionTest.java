package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.djl.hf.CheckpointDraft;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process that converts is killed ({@code kill -9}) at random moments and begun again; nothing of it may be seen in the files. */
class KilledConversionTest {

    private static final int KILLS = 4;
    private static final long SEED = 20261122;

    @TempDir
    private Path folder;

    @Test
    void filesAreThoseOfAnUndisturbedConversionByteByByte() throws Exception {
        Path source = SmallMoe.save(folder.resolve("moe"), 1);
        Path target = folder.resolve("molae");
        Random random = new Random(SEED);
        for (int kill = 0; kill < KILLS; kill++) {
            // At some line of output: a matrix that was read, or a tensor that was copied.
            assertThat(run(source, target, 10 + random.nextInt(50))).isNotZero();
            assertThat(target).doesNotExist();
        }
        assertThat(CheckpointDraft.folderOf(target).resolve("layer-0/notes.txt"))
                .as("a layer to go on from, kills with seed " + SEED)
                .exists();
        assertThat(run(source, target, Integer.MAX_VALUE)).isZero();

        Path whole = folder.resolve("whole");
        converter(source, whole).build().convert();
        assertThat(SmallMoe.bytes(target)).as("kills with seed " + SEED).isEqualTo(SmallMoe.bytes(whole));
        assertThat(CheckpointDraft.folderOf(target)).doesNotExist();
    }

    private static Converter.Builder converter(Path source, Path target) {
        ConversionMethod method = SmallMoe.method(SmallMoe.rank(6), 4)
                .optDistillation(new DistillationSpec(3, 16, 0.01))
                .build();
        return SmallMoe.converter(source, target, method).optText(SmallMoe.windows(4, 8, 2));
    }

    private int run(Path source, Path target, int lineToKillAt) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Dai.djl.offline=true",
                        "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        KilledConversionTest.class.getName(),
                        source.toString(),
                        target.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        int read = 0;
        try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                if (++read == 1 && lineToKillAt < Integer.MAX_VALUE) {
                    assertThatThrownBy(() -> converter(source, target).build().convert())
                            .isInstanceOf(IOException.class)
                            .hasMessageContaining("another conversion writes into");
                }
                process.getOutputStream().write('\n');
                process.getOutputStream().flush();
                if (read == lineToKillAt) {
                    process.destroyForcibly();
                    break;
                }
            }
        }
        return process.waitFor();
    }

    /**
     * The process under test: goes on with what is there to the end, prints what it does, and waits for a line after each.
     *
     * @param args source and target
     * @throws IOException if it fails
     */
    public static void main(String[] args) throws IOException {
        converter(Path.of(args[0]), Path.of(args[1]))
                .optProgress(progress -> {
                    System.out.println(progress);
                    try {
                        System.in.read();
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                })
                .build()
                .convert();
    }
}
