package ai.molae.djl.docs;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.docs.Examples.Example;
import ai.molae.djl.files.ChildProcess;
import ai.molae.testing.MarkdownFile;
import ai.molae.testing.MarkdownFile.Block;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every Java example of README.md and of the guides compiles, runs, and prints what the document shows. */
class DocsTest {

    private static final Path ROOT = Path.of("..");
    private static final MarkdownFile README = MarkdownFile.read(ROOT.resolve("README.md"));

    /** Checked by {@link #theExcerptsOfContributingAreInTheSources()}. */
    private static final Set<String> EXCERPTS = Set.of("CONTRIBUTING");

    @TempDir
    private Path folder;

    static Stream<String> documentsWithExamples() {
        return MarkdownFile.all(ROOT).stream()
                .filter(document -> !EXCERPTS.contains(document.name()))
                .filter(document -> !Examples.of(document).isEmpty())
                .map(document -> ROOT.relativize(document.path()).toString());
    }

    @ParameterizedTest
    @MethodSource("documentsWithExamples")
    void theExamplesRunAndPrintWhatIsShown(String name) throws Exception {
        MarkdownFile document = MarkdownFile.read(ROOT.resolve(name));
        List<Example> examples = Examples.of(document);
        Path classes = Files.createDirectories(folder.resolve("working"));
        Path results = Files.createDirectories(folder.resolve("results"));
        Examples.compile(document, examples, imports(document), classes);
        WorkingFolder.fill(classes);

        List<Object> args = new ArrayList<>(List.of(results.toAbsolutePath()));
        examples.stream().filter(Example::runs).map(Example::name).forEach(args::add);
        String console = ChildProcess.in(classes, ExampleRunner.class, args.toArray());

        SoftAssertions softly = new SoftAssertions();
        softly.assertThat(console).contains("ran " + (args.size() - 1));
        for (Example example : examples) {
            if (example.runs()) {
                softly.assertThatCode(() -> check(example, results))
                        .as("%s line %d: %s", name, example.line(), console)
                        .doesNotThrowAnyException();
            }
        }
        softly.assertAll();
    }

    private static String imports(MarkdownFile document) {
        return Examples.imports(README) + (document.name().equals("README") ? "" : Examples.imports(document));
    }

    private static void check(Example example, Path results) throws IOException {
        Path failure = results.resolve(example.name() + ".failure");
        String failed = Files.exists(failure) ? Files.readString(failure) : "";
        if (example.fails()) {
            assertThat(example.prints())
                    .as("the message of an example that fails")
                    .isPresent();
            String message =
                    example.prints().get().text().replaceAll("\\s+", " ").strip();
            assertThat(failed.replaceAll("\\s+", " ")).contains(message);
        } else {
            assertThat(failed).isEmpty();
            String output = Files.readString(results.resolve(example.name() + ".out"));
            example.prints().ifPresent(shown -> Printed.check(shown, output));
        }
    }

    @Test
    void fewExamplesAreNotRunAndNoneOfReadme() {
        List<Example> compiledOnly = MarkdownFile.all(ROOT).stream()
                .flatMap(document -> Examples.of(document).stream())
                .filter(example -> !example.runs())
                .toList();
        assertThat(compiledOnly).hasSizeLessThan(3);
        assertThat(Examples.of(README)).hasSizeGreaterThan(4).allMatch(Example::runs);
        assertThat(README.blocks().stream().filter(block -> block.language().equals("java")))
                .as("README's blocks stand by themselves, one of them with the imports of all")
                .allMatch(block -> block.comment().isEmpty())
                .filteredOn(Examples::isImports)
                .hasSize(1);
    }

    /** Word for word, paragraph by paragraph: what stands between them may be left out. */
    @Test
    void theExcerptsOfContributingAreInTheSources() throws IOException {
        List<String> sources = new ArrayList<>();
        for (String module : List.of("molae-core", "molae-djl", "molae-cli", "molae-bench")) {
            try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src"))) {
                for (Path file :
                        files.filter(path -> path.toString().endsWith(".java")).toList()) {
                    sources.add(oneLine(Files.readString(file)));
                }
            }
        }
        List<Block> excerpts = MarkdownFile.read(ROOT.resolve("CONTRIBUTING.md")).blocks().stream()
                .filter(block -> block.language().equals("java"))
                .toList();
        assertThat(excerpts).hasSizeGreaterThan(1);
        for (Block excerpt : excerpts) {
            List<String> paragraphs = Stream.of(excerpt.text().split("\n\\s*\n"))
                    .map(DocsTest::oneLine)
                    .toList();
            assertThat(sources.stream().anyMatch(source -> paragraphs.stream().allMatch(source::contains)))
                    .as("some source file has all of the excerpt in line %d of CONTRIBUTING.md", excerpt.line())
                    .isTrue();
        }
    }

    private static String oneLine(String text) {
        return text.replaceAll("\\s+", " ").strip();
    }
}
