package ai.molae.djl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compiles what README shows, against the classes of this build. */
class ReadmeTest {

    private static final String IMPORTS =
            """
            import ai.djl.ndarray.*;
            import ai.djl.ndarray.types.*;
            import ai.djl.nn.Block;
            import ai.djl.training.ParameterStore;
            import ai.molae.cost.*;
            import ai.molae.djl.convert.*;
            import ai.molae.djl.data.*;
            import ai.molae.djl.generate.*;
            import ai.molae.djl.hf.*;
            import ai.molae.djl.lm.*;
            import ai.molae.djl.moe.*;
            import ai.molae.djl.torch.*;
            import ai.molae.djl.train.*;
            import ai.molae.spec.*;
            import java.nio.file.Path;
            """;

    @TempDir
    private Path folder;

    @Test
    void everyJavaExampleCompiles() throws IOException {
        Matcher blocks = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL)
                .matcher(Files.readString(Path.of("..", "README.md")));
        List<Path> files = new ArrayList<>();
        while (blocks.find()) {
            String name = "Example" + files.size();
            files.add(Files.writeString(
                    folder.resolve(name + ".java"),
                    IMPORTS + "class " + name + " { void run() throws Exception {\n" + blocks.group(1) + "} }\n"));
        }
        assertThat(files).hasSize(6);

        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter messages = new StringWriter();
        try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            Iterable<? extends JavaFileObject> sources = manager.getJavaFileObjectsFromPaths(files);
            List<String> options =
                    List.of("-cp", System.getProperty("java.class.path"), "-d", folder.toString(), "-proc:none");
            boolean compiled = compiler.getTask(messages, manager, null, options, null, sources)
                    .call();
            assertThat(compiled).as(messages.toString()).isTrue();
        }
    }
}
