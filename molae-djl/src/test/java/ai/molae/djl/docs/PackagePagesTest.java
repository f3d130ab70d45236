package ai.molae.djl.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every package says in its package-info what it is for. */
class PackagePagesTest {

    private static final int A_SENTENCE = 40;

    @ParameterizedTest
    @ValueSource(strings = {"molae-core", "molae-djl", "molae-cli", "molae-bench"})
    void everyPackageSaysWhatItIsFor(String module) throws IOException {
        Path sources = Path.of("..", module, "src", "main", "java");
        Set<Path> packages = new TreeSet<>();
        try (Stream<Path> files = Files.walk(sources)) {
            files.filter(file -> file.toString().endsWith(".java")).forEach(file -> packages.add(file.getParent()));
        }
        assertThat(packages).isNotEmpty();
        assertThat(packages).allSatisfy(folder -> assertThat(javadoc(folder.resolve("package-info.java")))
                .hasSizeGreaterThan(A_SENTENCE)
                .contains("."));
    }

    /** Every module explains the letters of shapes in one place. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "molae-core/src/main/java/ai/molae/spec",
                "molae-djl/src/main/java/ai/molae/djl/moe",
                "molae-bench/src/main/java/ai/molae/bench"
            })
    void theLettersOfShapesAreExplained(String main) throws IOException {
        assertThat(javadoc(Path.of("..", main, "package-info.java")))
                .contains("Legend")
                .contains(List.of("T  tokens", "n  hidden", "N  ", "K  ", "G  groups", "r  latent"));
    }

    private static String javadoc(Path file) throws IOException {
        if (!Files.exists(file)) {
            return "";
        }
        String text = Files.readString(file);
        return text.substring(text.indexOf("/**") + 3, text.indexOf("*/"));
    }
}
