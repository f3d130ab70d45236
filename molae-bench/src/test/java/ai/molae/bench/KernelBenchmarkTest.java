package ai.molae.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.NativeMemory;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** What the benchmark prints, not how fast anything was. */
class KernelBenchmarkTest {

    @Test
    void aTrainingStepHoldsLittleMoreThanTheCostModelSays() {
        assumeTrue(NativeMemory.inUse().isPresent(), "glibc only");
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (NDManager manager = NDManager.newBaseManager();
                PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
            new MemorySection(manager, out).run(256);
        }
        List<String[]> rows = bytes.toString(StandardCharsets.UTF_8)
                .lines()
                .filter(line -> line.startsWith("| Mo"))
                .map(line -> line.split("\\s*\\|\\s*"))
                .toList();
        assertThat(rows).hasSize(8);
        for (String[] row : rows) {
            // Tens of MiB of what the JVM's and oneDNN's compilers keep may fall into the measured step.
            assertThat(Double.parseDouble(row[4])).as(row[1]).isBetween(0.95, 1.35);
        }
    }

    @Test
    void refusesAnUnknownSectionWithTheKnownOnes() {
        StringWriter errors = new StringWriter();
        int code = new CommandLine(new KernelBenchmark())
                .setErr(new PrintWriter(errors))
                .execute("--only", "nothing");
        assertThat(code).isEqualTo(CommandLine.ExitCode.USAGE);
        assertThat(errors.toString()).contains("nothing", "FORWARD", "TRAINING", "MEMORY", "SCALING");
    }
}
