package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** An application in one jar, PyTorch's natives included. */
class ShadedConsumerTest {

    @TempDir
    private static Path workplace;

    private static Consumer consumer;

    @BeforeAll
    static void build() throws Exception {
        consumer = Consumer.copy("shaded", workplace);
        consumer.build();
        Consumer.checkpoint(workplace.resolve("checkpoint"));
    }

    /** Without any flag, on newer JDKs too: its manifest allows native access. */
    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void runsByItself(Jdk jdk) throws Exception {
        JavaRun run = JavaRun.of(
                jdk,
                workplace.resolve("machine"),
                workplace,
                List.of("-jar", consumer.target("app.jar").toString()));

        assertThat(run.out().lines())
                .containsExactly("engines [PyTorch, RPC, Rust]", "engine PyTorch", "output (4, 16)", "tokens 2");
        assertThat(run.calls()).as("calls into a network").isZero();
    }
}
