package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Ctrl-C, and a kill, while commands work that only read or write at their end. Those that leave work to go on with have tests of their own, and so
 * have {@code generate} and {@code tokenize}.
 */
@EnabledOnOs({OS.LINUX, OS.MAC})
class CtrlCTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            INT  | 130 | eval MODEL --text TEXT --tokenizer bytes
            TERM | 143 | eval MODEL --text TEXT --tokenizer bytes
            INT  | 130 | inspect MODEL --text TEXT --tokenizer bytes
            INT  | 130 | plan --measure --hidden 256 --intermediate 128 --experts 8 --top-k 2 --out PLAN
            """)
    void endsWithItsExitCodeNoStackTraceAndNothingHalfWritten(String signal, int exitCode, String line)
            throws IOException, InterruptedException {
        Path text = folder.resolve("text.txt");
        Files.writeString(
                text, "some words and more of them ".repeat(5_000)); // ten times what passes before the first line
        Path model = TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(260));
        String[] args = Arrays.stream(line.split(" "))
                .map(word -> switch (word) {
                    case "MODEL" -> model.toString();
                    case "TEXT" -> text.toString();
                    case "PLAN" -> folder.resolve(word).toString();
                    default -> word;
                })
                .toArray(String[]::new);
        List<String> before = files();

        InterruptedRun run = InterruptedRun.by(signal, "", args);

        assertThat(run.exitCode()).as(run.output()).isEqualTo(exitCode);
        assertThat(run.output()).doesNotContain("\tat ").doesNotContain("Exception");
        assertThat(files()).isEqualTo(before);
    }

    @Test
    void whatAKilledTokenizeLeftIsInNobodysWay() throws IOException, InterruptedException {
        Path lines = folder.resolve("lines.jsonl");
        Files.writeString(lines, "{\"text\": \"some words\"}\n".repeat(50_000));
        Path out = folder.resolve("tokens");
        List<String> args = new ArrayList<>(List.of("tokenize", "--tokenizer", "bytes", "--out", out.toString()));
        args.add("--text");
        args.addAll(Collections.nCopies(10, lines.toString()));

        InterruptedRun killed = InterruptedRun.by("KILL", "tokenizing 10 %", args.toArray(String[]::new));

        assertThat(killed.exitCode()).as(killed.output()).isEqualTo(137);
        assertThat(out).doesNotExist();
        CommandRun again = CommandRun.of(args.toArray(String[]::new));
        assertThat(again.exitCode()).as(again.err()).isZero();
        assertThat(files())
                .contains("lines.jsonl", "tokens/shards.json")
                // What the killed process had begun stands in a hidden folder of its own.
                .allMatch(file -> file.equals("lines.jsonl") || file.matches("(tokens|\\.tokens-[^/]*)/.*"));
    }

    private List<String> files() throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> folder.relativize(file).toString())
                    .sorted()
                    .toList();
        }
    }
}
