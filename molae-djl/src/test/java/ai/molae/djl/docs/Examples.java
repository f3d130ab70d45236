package ai.molae.djl.docs;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.testing.MarkdownFile;
import ai.molae.testing.MarkdownFile.Block;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * The Java examples of a document. A block that has imports only gives them to all others of its document, and README's to all of all
 * documents. A comment before a block says what is unusual about it:
 *
 * <pre>
 *   continues: why        goes on where the block before ended
 *   not run: why          is compiled only
 *   fails: why            ends with an exception; the text block behind it is its message
 * </pre>
 *
 * A text block behind an example is what that prints, see {@link Printed}.
 */
final class Examples {

    /**
     * One example.
     *
     * @param name of its class
     * @param code its statements
     * @param line where it stands in the document
     * @param runs whether it can be run
     * @param fails whether it ends with an exception
     * @param prints the block behind it, if that shows what comes out
     */
    record Example(String name, String code, int line, boolean runs, boolean fails, Optional<Block> prints) {}

    private Examples() {}

    /** The examples of a document, in their order. */
    static List<Example> of(MarkdownFile document) {
        List<Example> examples = new ArrayList<>();
        List<Block> blocks = document.blocks();
        for (int i = 0; i < blocks.size(); i++) {
            Block block = blocks.get(i);
            if (!block.language().equals("java") || isImports(block)) {
                continue;
            }
            boolean continues = block.said("continues").isPresent();
            Example before = continues ? examples.remove(examples.size() - 1) : null;
            boolean printed =
                    i + 1 < blocks.size() && blocks.get(i + 1).language().equals("text");
            examples.add(new Example(
                    continues ? before.name() : document.name().replaceAll("\\W", "_") + "_" + block.line(),
                    (continues ? before.code() : "") + block.text(),
                    block.line(),
                    block.said("not run").isEmpty(),
                    block.said("fails").isPresent(),
                    printed ? Optional.of(blocks.get(i + 1)) : Optional.empty()));
            assertThat(continues && before.prints().isPresent())
                    .as("line %d goes on with an example that prints", block.line())
                    .isFalse();
        }
        return examples;
    }

    /** Whether a block consists of imports. */
    static boolean isImports(Block block) {
        return block.text().lines().allMatch(line -> line.isBlank() || line.startsWith("import "));
    }

    /** The imports that a document gives. */
    static String imports(MarkdownFile document) {
        return document.blocks().stream()
                .filter(block -> block.language().equals("java") && isImports(block))
                .map(Block::text)
                .collect(Collectors.joining());
    }

    /** Compiles examples into a folder, each as a class with a main method; complaints have the lines of the document. */
    static void compile(MarkdownFile document, List<Example> examples, String imports, Path folder) throws IOException {
        List<Path> files = new ArrayList<>();
        for (Example example : examples) {
            files.add(Files.writeString(
                    folder.resolve(example.name() + ".java"),
                    imports + "public class " + example.name()
                            + " {\npublic static void main(String... args) throws Exception {\n" + example.code()
                            + "}}\n"));
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter messages = new StringWriter();
        try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            List<String> options =
                    List.of("-cp", System.getProperty("java.class.path"), "-d", folder.toString(), "-proc:none");
            boolean compiled = compiler.getTask(
                            messages, manager, null, options, null, manager.getJavaFileObjectsFromPaths(files))
                    .call();
            assertThat(compiled)
                    .as("%s, whose classes have the lines of its blocks: %s", document.path(), messages)
                    .isTrue();
        }
    }
}
