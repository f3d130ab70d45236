package ai.molae.djl;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;

/** Compiles and runs what docs/djl-training.md shows. */
@ResourceLock(Resources.SYSTEM_OUT)
class DjlTrainingDocTest {

    private static final String IMPORTS =
            """
            import ai.djl.Model;
            import ai.djl.metric.Metrics;
            import ai.djl.ndarray.*;
            import ai.djl.ndarray.types.*;
            import ai.djl.nn.core.Linear;
            import ai.djl.training.*;
            import ai.djl.training.dataset.ArrayDataset;
            import ai.djl.training.evaluator.Accuracy;
            import ai.djl.training.listener.TrainingListener;
            import ai.djl.training.loss.Loss;
            import ai.djl.training.optimizer.Optimizer;
            import ai.djl.training.tracker.Tracker;
            import ai.molae.djl.lm.*;
            import ai.molae.djl.moe.*;
            import ai.molae.spec.*;
            """;

    @TempDir
    private Path folder;

    @Test
    void theExamplesRunAndLearn() throws Exception {
        List<String> names = compile();
        assertThat(names).hasSize(2);
        Engine.getInstance().setRandomSeed(3);
        try (URLClassLoader loader = new URLClassLoader(
                new URL[] {folder.toUri().toURL()}, getClass().getClassLoader())) {
            assertThat(number("accuracy ", run(loader, names.get(0)))).isGreaterThan(0.8);
            String output = run(loader, names.get(1));
            // ln 32 = 3.5 before; the next token follows from the last.
            assertThat(number("loss ", output)).isLessThan(1);
            // 10 epochs of 4 batches, 2 layers.
            assertThat(output.lines().filter(line -> line.startsWith("layer 0: the busiest")))
                    .hasSize(40);
            assertThat(output.lines().filter(line -> line.startsWith("layer 1: the busiest")))
                    .hasSize(40);
        }
    }

    private static double number(String before, String output) {
        String last = output.lines().reduce("", (a, b) -> b);
        assertThat(last).startsWith(before);
        return Double.parseDouble(last.substring(before.length()));
    }

    /** What an example prints. */
    private static String run(ClassLoader loader, String name) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream out = System.out;
        try (PrintStream captured = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
            System.setOut(captured);
            loader.loadClass(name).getMethod("run").invoke(null);
        } finally {
            System.setOut(out);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private List<String> compile() throws IOException {
        List<String> names = new ArrayList<>();
        List<Path> files = new ArrayList<>();
        List<MatchResult> blocks = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL)
                .matcher(Files.readString(Path.of("..", "docs", "djl-training.md")))
                .results()
                .toList();
        for (MatchResult block : blocks) {
            String name = "Training" + names.size();
            names.add(name);
            files.add(Files.writeString(
                    folder.resolve(name + ".java"),
                    IMPORTS + "public class " + name + " { public static void run() throws Exception {\n"
                            + block.group(1) + "} }\n"));
        }
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter messages = new StringWriter();
        try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            List<String> options =
                    List.of("-cp", System.getProperty("java.class.path"), "-d", folder.toString(), "-proc:none");
            boolean compiled = compiler.getTask(
                            messages, manager, null, options, null, manager.getJavaFileObjectsFromPaths(files))
                    .call();
            assertThat(compiled).as(messages.toString()).isTrue();
        }
        return names;
    }
}
