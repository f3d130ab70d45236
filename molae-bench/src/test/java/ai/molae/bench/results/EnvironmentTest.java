package ai.molae.bench.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EnvironmentTest {

    @TempDir
    Path folder;

    @Test
    void thisProcessKnowsWhereItRuns() {
        Environment environment = Environment.collect();

        assertThat(environment.facts())
                .containsKeys("cpu", "threads", "isa", "os", "jdk", "memory", "heap", "molae", "commit", "date")
                .containsEntry("djl", "0.35.1")
                .hasEntrySatisfying("libtorch", version -> assertThat(version).matches("\\d+\\.\\d+.*"))
                .hasEntrySatisfying(
                        "onnxruntime", version -> assertThat(version).matches("\\d+\\.\\d+.*"))
                .hasEntrySatisfying(
                        "gemm FLOAT32", kernels -> assertThat(kernels).matches("inference [A-Z]+, training [A-Z]+.*"))
                .hasEntrySatisfying("gemm INT8", kernels -> assertThat(kernels).matches("inference [A-Z]+"));
    }

    @Test
    void aFileHoldsTheFactsInTheirOrder() throws IOException {
        Environment environment =
                new Environment(Map.of("cpu", "<a> \"b\"")).with("zebra", "1").with("ant", "ü");
        Path file = folder.resolve("environment.json");
        environment.write(file);

        assertThat(Environment.read(file)).isEqualTo(environment);
        assertThat(Environment.read(file).facts().keySet()).containsExactly("cpu", "zebra", "ant");
        assertThat(environment.get("missing")).isEmpty();
    }

    @Test
    void whatIsNotFlatIsRefusedWithItsPlace() throws IOException {
        Path file = Files.writeString(folder.resolve("environment.json"), "{\"cpu\": {\"name\": 1}}");
        assertThatIOException()
                .isThrownBy(() -> Environment.read(file))
                .withMessageContaining("environment.json should have a text as \"cpu\", found {\"name\":1}");
        Files.writeString(file, "{\"cpu\"");
        assertThatIOException().isThrownBy(() -> Environment.read(file)).withMessageContaining("is not JSON");
    }

    @Test
    void processorAndInstructionsComeFromCpuInfo() {
        List<String> x86 = List.of("model name\t: Some CPU", "flags\t\t: fpu avx2 avx512f avx512_bf16");
        assertThat(MachineFacts.cpu(x86)).isEqualTo("Some CPU");
        assertThat(MachineFacts.isa(x86)).isEqualTo("avx2 avx512f avx512_bf16");
        assertThat(MachineFacts.isa(List.of("Features\t: fp asimd bf16"))).isEqualTo("asimd bf16");
        assertThat(MachineFacts.cpu(List.of())).isEqualTo(System.getProperty("os.arch"));
    }

    @Test
    void theLauncherTellsTheCommit() {
        System.setProperty("molae.commit", "abc123");
        try {
            assertThat(Environment.collect().get(Environment.COMMIT)).isEqualTo("abc123");
        } finally {
            System.clearProperty("molae.commit");
        }
    }
}
