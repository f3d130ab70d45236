package ai.molae.djl.docs;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.files.ChildProcess;
import ai.molae.testing.MarkdownFile;
import ai.molae.testing.MarkdownFile.Block;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The mistakes of docs/faq.md that are made before any code of the reader's runs, or that end the process. */
class FaqTest {

    private static final MarkdownFile FAQ = MarkdownFile.read(Path.of("..", "docs", "faq.md"));

    @TempDir
    private Path folder;

    @Test
    void withoutANativeLibraryTheMessageIsTheOneShown() throws Exception {
        assertThat(withoutJar("pytorch-native-cpu", NativeStart.class)).contains(shown("Failed to save pytorch index"));
    }

    @Test
    void withoutTheTokenizersTheMessageIsTheOneShown() throws Exception {
        WorkingFolder.fill(folder);
        assertThat(withoutJar("tokenizers", TokenizerStart.class))
                .contains(shown("needs the library ai.djl.huggingface:tokenizers"));
    }

    @Test
    void bfloat16InDjlEndsTheProcess() throws Exception {
        assertThat(ChildProcess.in(folder, BFloat16.class))
                .contains("terminate called without an active exception")
                .doesNotContain("survived");
        assertThat(FAQ.prose()).anyMatch(line -> line.contains("terminate called without an active exception"));
    }

    /** The lines of the block that has a text. */
    private static List<String> shown(String text) {
        return FAQ.blocks().stream()
                .map(Block::text)
                .filter(block -> block.contains(text))
                .findFirst()
                .orElseThrow()
                .lines()
                .toList();
    }

    private String withoutJar(String name, Class<?> main) throws IOException, InterruptedException {
        String classes = Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
                .filter(entry -> !Path.of(entry).getFileName().toString().startsWith(name + "-"))
                .map(entry -> Path.of(entry).toAbsolutePath().toString())
                .collect(Collectors.joining(File.pathSeparator));
        ProcessBuilder builder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Dai.djl.offline=true",
                        "-cp",
                        classes,
                        main.getName())
                .directory(folder.toFile())
                .redirectErrorStream(true);
        builder.environment()
                .put(
                        "DJL_CACHE_DIR",
                        Files.createDirectories(folder.resolve("cache")).toString());
        builder.environment().remove("ENGINE_CACHE_DIR");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return output;
    }

    /** Starts the engine. */
    static final class NativeStart {
        public static void main(String[] args) {
            NDManager.newBaseManager().close();
        }
    }

    /** Reads a tokenizer. */
    static final class TokenizerStart {
        public static void main(String[] args) throws IOException {
            HfTokenizer.load(Path.of("OLMoE-1B-7B")).close();
        }
    }

    /** Makes an array that DJL knows no element type for. */
    static final class BFloat16 {
        public static void main(String[] args) {
            try (NDManager manager = NDManager.newBaseManager()) {
                manager.zeros(new Shape(2), DataType.BFLOAT16);
                System.out.println("survived");
            }
        }
    }
}
