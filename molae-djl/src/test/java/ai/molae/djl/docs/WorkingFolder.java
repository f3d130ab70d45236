package ai.molae.djl.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;

/** What the documents name and a reader has: checkpoints, and a folder with texts. */
final class WorkingFolder {

    private static final Path RESOURCES = Path.of("src/test/resources/ai/molae/djl");

    /** Of golden checkpoints the published model that they are the small form of. */
    private static final Map<String, String> CHECKPOINTS = Map.of(
            "OLMoE-1B-7B", "olmoe-a",
            "Qwen3-30B-A3B", "qwen3_moe-a",
            "DeepSeek-V2-Lite", "deepseek_v2-a");

    private WorkingFolder() {}

    /** Puts all of it into a folder. */
    static void fill(Path folder) throws IOException {
        CHECKPOINTS.forEach((name, golden) -> {
            copy(RESOURCES.resolve("hf").resolve(golden), folder.resolve(name));
            copy(RESOURCES.resolve("docs"), folder.resolve(name));
        });
        copy(Path.of("..", "molae-core", "src", "main", "java"), folder.resolve("my-texts"));
    }

    private static void copy(Path from, Path to) {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path copy = to.resolve(from.relativize(file).toString());
                Files.createDirectories(copy.getParent());
                Files.copy(file, copy);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
