package ai.molae.bench.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.pytorch.jni.JniUtils;
import ai.molae.bench.model.SyntheticCheckpoint;
import ai.molae.bench.workload.ModelCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.hf.CheckpointConfig;
import ai.molae.djl.torch.Precision;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What the table says and refuses, not how fast anything was. */
class ModelTableTest {

    /** A checkpoint of the library's own tests: 40,960 positions. */
    private static final String GOLDEN = Path.of("..", "molae-djl/src/test/resources/ai/molae/djl/hf/qwen3_moe-a")
            .toString();

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    /** As the options stand in a command. */
    @Command(name = "bench")
    static final class Bench implements Callable<Integer> {
        @Spec
        CommandLine.Model.CommandSpec spec;

        @ArgGroup(validate = false, heading = "A checkpoint:%n")
        ModelTableOptions options = new ModelTableOptions();

        @Option(names = "--out")
        Path out;

        @Override
        public Integer call() throws IOException {
            return options.run(spec.commandLine(), out);
        }
    }

    private int run(String... args) {
        return new CommandLine(new Bench())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .setExecutionExceptionHandler((e, command, result) -> {
                    command.getErr().println(e.getMessage());
                    return e instanceof IllegalArgumentException ? 2 : 1;
                })
                .execute(args);
    }

    @Test
    void everyCombinationIsARow() {
        assertThat(run(
                        "--model",
                        GOLDEN,
                        "--prompt",
                        "600,16",
                        "--generate",
                        "4",
                        "--repetitions",
                        "2",
                        "--precision",
                        "bfloat16,int8",
                        "--threads",
                        "1"))
                .as("%s", err)
                .isZero();
        List<String> lines = out.toString().lines().toList();
        assertThat(lines).hasSize(2 + 6);
        assertThat(lines.get(1).trim().split("\\s+"))
                .containsExactly("model", "size", "params", "backend", "precision", "threads", "test", "t/s");
        assertThat(lines.get(2)).startsWith("  qwen3_moe-a (qwen3_moe)").contains(" MiB ", " PyTorch cpu");
        assertThat(lines.subList(2, 8))
                .extracting(line -> line.replaceAll(".* (\\w+) +1  (\\w+) +[\\d.]+ ± [\\d.]+", "$1 $2"))
                .containsExactly(
                        "bfloat16 pp600", "bfloat16 pp16", "bfloat16 tg4", "int8 pp600", "int8 pp16", "int8 tg4");
        assertThat(err.toString().lines().filter(line -> line.contains("tokens/s")))
                .hasSize(6);
        assertThat(err.toString()).contains("qwen3_moe-a int8, 1 threads: tg4 ");
    }

    @Test
    void jsonHasEveryRepetition() {
        int threads = JniUtils.getNumThreads();
        assertThat(run("--model", GOLDEN, "--prompt", "8", "--generate", "0", "--repetitions", "3", "--format", "json"))
                .isZero();
        JsonArray rows = JsonParser.parseString(out.toString()).getAsJsonArray();
        assertThat(rows).hasSize(1);
        JsonObject row = rows.get(0).getAsJsonObject();
        assertThat(row.get("test").getAsString()).isEqualTo("pp8");
        assertThat(row.get("n_prompt").getAsInt()).isEqualTo(8);
        assertThat(row.get("n_gen").getAsInt()).isZero();
        assertThat(row.get("n_threads").getAsInt()).isEqualTo(threads);
        assertThat(row.get("model_size").getAsLong())
                .isEqualTo(2 * row.get("model_n_params").getAsLong());
        double sum = 0;
        for (var sample : row.get("samples_ts").getAsJsonArray()) {
            assertThat(sample.getAsDouble()).isPositive();
            sum += sample.getAsDouble();
        }
        assertThat(row.get("samples_ts").getAsJsonArray()).hasSize(3);
        assertThat(row.get("avg_ts").getAsDouble()).isCloseTo(sum / 3, within(1e-9 * sum));
    }

    @Test
    void csvHasALineForEachTest(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("speed.csv");
        assertThat(run(
                        "--model",
                        GOLDEN,
                        "--prompt",
                        "8",
                        "--generate",
                        "2",
                        "--repetitions",
                        "1",
                        "--format",
                        "csv",
                        "--out",
                        file.toString()))
                .isZero();
        assertThat(out.toString()).isEmpty();
        List<String> lines = Files.readAllLines(file);
        assertThat(lines).hasSize(3);
        assertThat(lines.get(0))
                .isEqualTo("model,model_type,model_size,model_n_params,backend,precision,n_threads,test,n_prompt,n_gen,"
                        + "avg_ts,stddev_ts");
        assertThat(lines.get(1)).startsWith("qwen3_moe-a,qwen3_moe,").contains(",bfloat16,", ",pp8,8,0,");
        // One repetition deviates from nothing.
        assertThat(lines.get(2)).contains(",tg2,0,2,").endsWith(",0.0");
    }

    @Test
    void theMeanAndDeviationAreThoseOfTheRepetitions() {
        ModelSpeed speed = new ModelSpeed(
                "a",
                "b",
                1,
                1,
                "cpu()",
                Precision.INT8,
                1,
                new SpeedTest(SpeedTest.Kind.GENERATE, 4),
                List.of(1.0, 2.0, 6.0));
        assertThat(speed.mean()).isEqualTo(3);
        // (4 + 1 + 9) / 2
        assertThat(speed.standardDeviation()).isCloseTo(Math.sqrt(7), within(1e-12));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "--repetitions 0; --repetitions must be at least 1, got 0",
                "--prompt -1; --prompt must be between 0 and 2147483647, got -1",
                "--threads 0; --threads must be at least 1, got 0",
                "--prompt 0 --generate 0; --prompt 0 and --generate 0 leave nothing to measure",
                "--prompt 40961; --prompt 40961 is more than the model's max_position_embeddings = 40960",
                "--generate 5,40961; --generate 40961 is more than the model's max_position_embeddings = 40960",
            })
    void refusesWhatCannotBeMeasured(String options, String message) {
        assertThat(run(("--model " + GOLDEN + " " + options).split(" "))).isEqualTo(2);
        assertThat(err.toString()).contains(message);
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void refusesAFolderThatIsNoCheckpoint(@TempDir Path folder) {
        assertThat(run("--model", folder.resolve("absent").toString())).isEqualTo(2);
        assertThat(err.toString()).contains("absent does not exist");
        assertThat(run("--model", folder.toString())).isEqualTo(2);
        assertThat(err.toString()).contains("has no " + CheckpointConfig.FILE);
        assertThat(run()).isEqualTo(2);
        assertThat(err.toString()).contains("--model DIR");
    }

    @Test
    void readsASyntheticCheckpoint(@TempDir Path folder) throws IOException {
        ModelCase tiny = new ModelCase(Shape.QWEN3_30B_A3B, Scale.TINY, Variant.MOLAE);
        Path checkpoint = folder.resolve("tiny-molae");
        long parameters = SyntheticCheckpoint.write(tiny.spec(), checkpoint);
        assertThat(run(
                        "--model",
                        checkpoint.toString(),
                        "--prompt",
                        "4",
                        "--generate",
                        "1",
                        "--repetitions",
                        "1",
                        "--format",
                        "json"))
                .as("%s", err)
                .isZero();
        assertThat(JsonParser.parseString(out.toString())
                        .getAsJsonArray()
                        .get(0)
                        .getAsJsonObject()
                        .get("model_n_params")
                        .getAsLong())
                .isEqualTo(parameters);
    }
}
