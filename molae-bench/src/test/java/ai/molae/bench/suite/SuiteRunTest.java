package ai.molae.bench.suite;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.measure.Jvm;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.runner.options.Options;

class SuiteRunTest {

    @Test
    void optionsOfTheUserComeAfterThoseOfTheBenchmarks() {
        Options options = new SuiteRun(Path.of("nowhere"), List.of("-Xmx9g", "-Da=b"))
                .options(Section.of("layer.LayerForward.forward").with("tokens", 1));

        assertThat(options.getJvmArgsAppend().get())
                .containsExactly(Jvm.HEAP, Jvm.DIRECT, Jvm.TRACKING, "-Xmx9g", "-Da=b");
        assertThat(options.getParameter("tokens").get()).containsExactly("1");
    }
}
