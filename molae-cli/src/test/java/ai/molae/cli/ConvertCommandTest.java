package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code molae convert} and {@code molae spectrum} refuse before anything is done. */
class ConvertCommandTest {

    @TempDir
    private Path folder;

    private Path source;
    private Path text;

    @BeforeEach
    void checkpoint() throws IOException {
        source = TinyCheckpoint.write(folder.resolve("source"), TinyCheckpoint.spec(264));
        text = Files.writeString(folder.resolve("text.txt"), "Some words to read. ".repeat(40));
    }

    private CommandRun convert(String line) {
        List<String> arguments = new ArrayList<>(List.of("convert", source.toString(), target().toString(), "--quiet"));
        if (!line.isEmpty()) {
            arguments.addAll(List.of(line.replace("TEXT", text.toString()).split(" ")));
        }
        return CommandRun.of(arguments.toArray(String[]::new));
    }

    private Path target() {
        return folder.resolve("target");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--ratio 2 | --ratio must be more than 0 and at most 1, got 2.0",
                "--calibrate nowhere.txt | --calibrate nowhere.txt does not exist",
                "--calibration nowhere | --calibration nowhere does not exist; give the text to write it from",
                "--calibration-tokens 5 | --calibration-tokens says how much of --calibrate is read",
                "--validate nowhere.txt | --validate nowhere.txt does not exist",
                "--heal 5 | --heal needs text: give some with --heal-text or --calibrate",
                "--heal -5 | --heal must be at least 0, got -5",
                "--heal-lr 0.1 | --heal-lr says how to heal; add --heal",
                "--heal 5 --heal-text TEXT --heal-lr 0 | --heal-lr must be a positive number, got 0.0",
                "--heal 5 --heal-text TEXT --multiplied-out | --heal trains the factors, and --multiplied-out writes none",
                "--heal 5 --heal-text TEXT --distill-logits 2 | --distill-logits must be more than 0 and at most 1, got 2.0",
                "--memory much | expected an amount of memory such as 8GB or 500MB but was 'much'",
                "--threads 0 | --threads must be at least 1, got 0",
                "--sequence 65 | --sequence must be between 1 and 64, got 65",
            })
    void refusesWithTheOptionAndTheNumber(String line, String message) {
        CommandRun run = convert(line);

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(message);
        assertThat(target()).doesNotExist();
        assertThat(folder.resolve(".target-work")).doesNotExist();
    }

    @Test
    void overwritesNothing() throws IOException {
        Files.createDirectories(target());
        Files.writeString(target().resolve("notes.txt"), "mine");

        CommandRun run = convert("--ratio 0.7");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("exists and is not empty; nothing in it is overwritten");
        assertThat(target().resolve("notes.txt")).hasContent("mine");
    }

    @Test
    void refusesACheckpointThatIsFactoredAlready() throws IOException {
        MoeSpec factored = TinyCheckpoint.MOE.withLatent(
                LatentSpec.builder().setLatentSize(4).setGroupSize(2).build());
        source = TinyCheckpoint.write(
                folder.resolve("factored"), TinyCheckpoint.spec(264).mapMoe(layer -> factored));

        CommandRun run = convert("");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("2 of the 2 MoE layers are factored already");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--weighting activations | --weighting activations needs text: name what molae convert has kept of it with --calibration",
                "--grouping co-activation | --grouping co-activation needs text",
                "--groups 5 | --groups must be between 1 and 4, got 5",
                "--calibration nowhere | --calibration nowhere does not exist",
            })
    void theSpectrumRefusesWhatDoesNotFit(String line, String message) {
        CommandRun run = CommandRun.of(("spectrum " + source + " " + line).split(" "));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(message);
    }
}
