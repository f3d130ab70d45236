package ai.molae.bench.suite;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class BenchCommandTest {

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int run(String... arguments) {
        CommandLine command = Main.commandLine();
        command.setOut(new PrintWriter(out));
        command.setErr(new PrintWriter(err));
        return command.execute(arguments);
    }

    @Test
    void listsWhatWouldRun() {
        assertThat(run("bench", "--list", "--preset", "PAPER")).isZero();
        assertThat(out.toString())
                .contains("layer.LayerForward.forward")
                .contains("PAPER")
                .doesNotContain("MIXTRAL");
        String quick = out.toString();

        assertThat(run("bench", "--full", "--list", "--preset", "PAPER")).isZero();
        assertThat(out.toString().length()).isGreaterThan(3 * quick.length() / 2);
    }

    @Test
    void everySectionNamesABenchmarkAndItsParameters() throws Exception {
        for (Extent extent : Extent.values()) {
            for (Section section : extent.sections(extent.shapes())) {
                String name = section.benchmark();
                Class<?> benchmark = Class.forName("ai.molae.bench." + name.substring(0, name.lastIndexOf('.')));
                assertThat(benchmark.getMethod(name.substring(name.lastIndexOf('.') + 1)))
                        .isNotNull();
                section.parameters().forEach((parameter, values) -> assertThat(benchmark.getFields())
                        .as(name)
                        .anySatisfy(field -> assertThat(field.getName()).isEqualTo(parameter)));
            }
        }
    }

    @Test
    void refusesWhatLeavesNothingToRun() {
        assertThat(run("bench", "--only", "Nonsense")).isEqualTo(2);
        assertThat(err.toString()).contains("Nonsense").contains("layer.LayerForward.forward");
        assertThat(run("bench", "--only", "(")).isEqualTo(2);
        assertThat(run("bench", "--quick", "--full")).isEqualTo(2);
        assertThat(run("bench", "--preset", "GPT_9")).isEqualTo(2);
    }

    @Test
    void neverOverwritesResults(@TempDir Path folder) throws IOException {
        Files.writeString(folder.resolve(SuiteRun.RESULTS), "[]");

        assertThat(run("bench", "--out", folder.toString())).isEqualTo(2);

        assertThat(err.toString()).contains("has results already");
        assertThat(folder.resolve(SuiteRun.RESULTS)).hasContent("[]");
    }
}
