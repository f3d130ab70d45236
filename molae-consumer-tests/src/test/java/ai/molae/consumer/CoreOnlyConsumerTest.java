package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A project that needs the cost model alone. */
class CoreOnlyConsumerTest {

    @TempDir
    private static Path workplace;

    private static Consumer consumer;

    @BeforeAll
    static void build() throws Exception {
        consumer = Consumer.copy("core-only", workplace);
        consumer.build();
    }

    @Test
    void nothingComesAlong() throws Exception {
        try (Stream<Path> jars = Files.list(consumer.target("lib"))) {
            assertThat(jars.map(jar -> jar.getFileName().toString().replaceFirst("-\\d.*", "")))
                    .containsExactly("molae-core");
        }
    }

    /** 32 experts of 3 · 512 · 256 numbers and a router of 32 · 512. */
    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void itsJarIsEnough(Jdk jdk) throws Exception {
        String classPath = consumer.target("app.jar")
                + File.pathSeparator
                + consumer.target("lib").resolve("molae-core-" + System.getProperty("consumers.version") + ".jar");

        JavaRun run =
                JavaRun.of(jdk, workplace.resolve("machine"), workplace, List.of("-cp", classPath, "CoreOnlyMain"));

        assertThat(run.out()).isEqualTo("parameters " + (32 * 3 * 512 * 256 + 32 * 512) + " 6701056\n");
        assertThat(run.err()).isEmpty();
    }
}
