package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code molae plan} refuses, and where it writes. */
class PlanCommandErrorsTest {

    private static final String LAYER = "--hidden 64 --intermediate 32 --experts 8 --top-k 2 ";

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "--preset Nobody                             | no model preset is named \"Nobody\"; there are Mixtral-8x7B, Qwen",
                "--preset Mixtral-8x7B --hidden 64 --ungated | has its own shape, which --hidden, --ungated would contradict",
                "--preset Mixtral-8x7B --layers 2            | which --layers would contradict",
                "--hidden 64 --top-k 2                       | a layer needs --intermediate, --experts beside --hidden, --top-k",
                "--layers 4                                  | a layer needs --hidden, --intermediate, --experts, --top-k beside --layers",
                "--hidden 0 --intermediate 32 --experts 8 --top-k 2     | --hidden must be at least 1, got 0",
                "--hidden 64 --intermediate -3 --experts 8 --top-k 2    | --intermediate must be at least 1, got -3",
                "--hidden 64 --intermediate 32 --experts 8 --top-k 9    | --top-k must be between 1 and 8, got 9",
                "--hidden 64 --intermediate 32 --experts 99999 --top-k 9 | --experts must be between 1 and 10000, got 99999",
                "LAYER --layers 0                            | --layers must be between 1 and 10000, got 0",
                "LAYER --shared -1                           | --shared must be between 0 and 67108863, got -1",
                "LAYER --latent 0                            | --latent must be at least 1, got 0",
                "LAYER --group-size 9                        | --group-size must be between 1 and 8, got 9",
                "--group-size 9                              | Mixtral-8x7B: --group-size must be between 1 and 8, got 9",
                "LAYER --ungated --factored gate,up          | --factored names gate, but the experts are --ungated; name up, down",
                "LAYER --tied --factored up,down             | both must be factored; factored is up, down. Add the other",
                "LAYER --tied --ungated                      | factored is up, down, and the experts have no gate",
                "LAYER --factored gate,sideways              | expected one of [GATE, UP, DOWN] (case-insensitive) but was 'sideways'",
                "LAYER --precision fp4                       | but was 'fp4'",
                "LAYER --format yaml                         | but was 'yaml'",
                "LAYER --tokens 0                            | --tokens must be at least 1, got 0",
                "LAYER --batch 0                             | --batch must be at least 1, got 0",
                "--hidden many --intermediate 32 --experts 8 --top-k 2  | 'many' is not an int",
                "LAYER --context 128                         | layers given by their shape have none",
                "--preset OLMoE-1B-7B --context 0            | --context must be at least 1, got 0",
                "LAYER --peak-gflops 400                     | a time needs both ceilings; add --bandwidth-gbs",
                "LAYER --bandwidth-gbs 20                    | a time needs both ceilings; add --peak-gflops",
                "LAYER --bandwidth-gbs 20 --peak-gflops 0    | --peak-gflops must be a positive number, got 0.0",
                "LAYER --scaling-law --train-tokens 1e9      | predicts the loss of a whole model; name a --preset",
                "--preset OLMoE-1B-7B --scaling-law          | add --train-tokens, such as 3e11",
                "--preset OLMoE-1B-7B --train-tokens 1e9     | --train-tokens is used by --scaling-law only",
                "--preset OLMoE-1B-7B --scaling-law --train-tokens NaN  | --train-tokens must be a positive number, got NaN",
                "--scaling-law --train-tokens 1e9            | neither losses nor times; name one --preset",
                "--peak-gflops 400 --bandwidth-gbs 20        | neither losses nor times; name one --preset",
                "--hidden 2000000000 --intermediate 2000000000 --experts 8 --top-k 2 | hiddenSize must be at most 268435456, got 2000000000",
                "--nonsense                                  | Unknown option: '--nonsense'",
            })
    void refusesWithExitCode2AndWritesNothing(String flags, String message) throws IOException {
        CommandRun run =
                CommandRun.ofLine("plan " + flags.replace("LAYER ", LAYER) + " --out " + folder.resolve("plan.txt"));

        assertThat(run.err()).contains(message);
        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void writesTheFileThatItWouldPrint() throws IOException {
        Path file = folder.resolve("plan.csv");
        Files.writeString(file, "old");

        CommandRun run = CommandRun.ofLine("plan --preset OLMoE-1B-7B --format csv --out " + file);

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).isEmpty();
        assertThat(file)
                .hasContent(CommandRun.ofLine("plan --preset OLMoE-1B-7B --format csv")
                        .out());
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void refusesAFolderAsFile() throws IOException {
        CommandRun run = CommandRun.ofLine("plan " + LAYER + "--out " + folder);

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(folder + " is a folder; name a file");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void refusesAFolderThatDoesNotExist() {
        CommandRun run = CommandRun.ofLine("plan " + LAYER + "--out " + folder.resolve("none/plan.txt"));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("does not exist; make it first");
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void failsWhenItsOutputCannotBeWritten() {
        Writer full = new Writer() {
            @Override
            public void write(char[] buffer, int offset, int length) throws IOException {
                throw new IOException("no space left on device");
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        StringWriter err = new StringWriter();

        int exitCode = Main.commandLine()
                .setOut(new PrintWriter(full))
                .setErr(new PrintWriter(err, true))
                .execute("plan");

        assertThat(exitCode).isEqualTo(1);
        assertThat(err.toString()).contains("cannot write to standard output");
    }
}
