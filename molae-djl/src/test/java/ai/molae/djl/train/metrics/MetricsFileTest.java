package ai.molae.djl.train.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import ai.molae.djl.train.LmTrainingListener.Evaluation;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MetricsFileTest {

    @TempDir
    private Path folder;

    private Path file() {
        return folder.resolve("run").resolve(MetricsFile.NAME);
    }

    /** Five steps, evaluations after 2 and 4, a checkpoint after 3. */
    private void fiveSteps() {
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(0);
            for (long step = 1; step <= 5; step++) {
                metrics.onStep(Runs.step(step));
                if (step % 2 == 0) {
                    metrics.onEvaluation(new Evaluation(step, 2, 100));
                }
                if (step == 3) {
                    metrics.beforeCheckpoint(3);
                }
            }
            metrics.onEnd();
        }
    }

    private Runs.Recorder replayed() {
        Runs.Recorder recorder = new Runs.Recorder();
        MetricsFile.replay(file(), recorder);
        return recorder;
    }

    private List<Long> steps() {
        return replayed().steps.stream().map(step -> step.step()).toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"a\": 1}", "notes", "{\"a\": 1}\n{\"b\": 2}\n"})
    void aFileThatIsNoMetricsStaysAsItIs(String text) throws IOException {
        Files.createDirectories(file().getParent());
        Files.writeString(file(), text);
        try (MetricsFile metrics = new MetricsFile(file())) {
            assertThatThrownBy(() -> metrics.onStart(0)).hasMessageContaining("holds no training metrics");
        }
        assertThat(file()).hasContent(text);
    }

    @Test
    void theBeginningOfALineIsCutOff() throws IOException {
        Files.createDirectories(file().getParent());
        Files.writeString(file(), "{\"ste");
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(0);
            metrics.onStep(Runs.step(1));
        }
        assertThat(steps()).containsExactly(1L);
    }

    @Test
    void aStepIsALineWithEveryNumberAndAnElementPerLayer() throws IOException {
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(0);
            metrics.onStep(Runs.step(1));
        }

        // 8 tokens in half a second; imbalances 8/4 and 8/8
        assertThat(file())
                .hasContent(
                        "{\"step\":1,\"steps\":10,\"loss\":4,\"aux_loss\":0.25,\"gradient_norm\":1.5,"
                                + "\"learning_rate\":1.0E-4,\"tokens\":8,\"step_tokens\":8,\"step_seconds\":0.5,\"seconds\":0.5,"
                                + "\"tokens_per_second\":16,\"flops_utilisation\":0.375,\"native_bytes\":1000000000001,"
                                + "\"layer\":[1,3],\"expert_load\":[[6,2,0,8],[8,8]],\"imbalance\":[2,1],\"idle_experts\":[1,0],"
                                + "\"dropped\":[3,0],\"router_entropy\":[1.25,0.5],\"balance_loss\":[1.5,1],\"z_loss\":[7.5,2.5]}\n");
    }

    @Test
    void whatIsUnknownIsNull() throws IOException {
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStep(Runs.unknown(1));
        }

        JsonObject line = JsonParser.parseString(Files.readString(file())).getAsJsonObject();
        for (String key : List.of("loss", "gradient_norm", "tokens_per_second", "flops_utilisation", "native_bytes")) {
            assertThat(line.get(key).isJsonNull()).as(key).isTrue();
        }
        assertThat(line.has("layer")).isFalse();
        assertThat(replayed().steps.get(0).loss()).isNaN();
        assertThat(replayed().steps.get(0).nativeBytes()).isEmpty();
    }

    @Test
    void replayingTellsWhatTheTrainerTold() {
        fiveSteps();

        assertThat(replayed().steps)
                .containsExactly(Runs.step(1), Runs.step(2), Runs.step(3), Runs.step(4), Runs.step(5));
        assertThat(replayed().evaluations).containsExactly(new Evaluation(2, 2, 100), new Evaluation(4, 2, 100));
    }

    @Test
    void aLineIsInTheFileWhenTheStepReturns() {
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(0);
            metrics.onStep(Runs.step(1));
            assertThat(steps()).containsExactly(1L);
        }
    }

    @Test
    void resumingKeepsTheStepsBeforeAndDropsThoseAfter() throws IOException {
        fiveSteps();
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(3);
            assertThat(steps()).containsExactly(1L, 2L, 3L);
            metrics.onStep(Runs.step(4));
        }

        assertThat(steps()).containsExactly(1L, 2L, 3L, 4L);
        assertThat(replayed().evaluations).containsExactly(new Evaluation(2, 2, 100));
    }

    @Test
    void aNewRunBeginsTheFileAnew() {
        fiveSteps();
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(0);
            metrics.onStep(Runs.step(1));
        }

        assertThat(steps()).containsExactly(1L);
    }

    @Test
    void aHalfWrittenLastLineIsDropped() throws IOException {
        fiveSteps();
        Files.writeString(file(), "{\"step\":6,\"st", StandardOpenOption.APPEND);
        assertThat(steps()).containsExactly(1L, 2L, 3L, 4L, 5L);
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(6);
            metrics.onStep(Runs.step(7));
        }

        assertThat(steps()).containsExactly(1L, 2L, 3L, 4L, 5L, 7L);
    }

    /** A crashed machine can leave a file longer than what was written to it. */
    @Test
    void garbageAfterTheLastCheckpointIsDropped() throws IOException {
        fiveSteps();
        Files.writeString(file(), "\0\0\0\0\n{\"step\":6}\n", StandardOpenOption.APPEND);
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onStart(6);
        }

        assertThat(steps()).containsExactly(1L, 2L, 3L, 4L, 5L);
    }

    @Test
    void anEvaluationBeforeTheStartIsKept() {
        try (MetricsFile metrics = new MetricsFile(file())) {
            metrics.onEvaluation(new Evaluation(0, 5, 100));
            metrics.onStart(0);
            metrics.onStep(Runs.step(1));
        }

        assertThat(replayed().evaluations).containsExactly(new Evaluation(0, 5, 100));
        assertThat(steps()).containsExactly(1L);
    }

    @Test
    void aFileThatHoldsSomethingElseStaysAsItIs() throws IOException {
        Path letter = Files.writeString(folder.resolve("letter.txt"), "Dear Sir,\nnot metrics\n");
        try (MetricsFile metrics = new MetricsFile(letter)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> metrics.onStart(0))
                    .withMessageContaining("letter.txt");
        }

        assertThat(letter).hasContent("Dear Sir,\nnot metrics\n");
    }

    @Test
    void aBrokenLineIsNamed() throws IOException {
        fiveSteps();
        List<String> lines = Files.readAllLines(file());
        for (String broken : List.of("{\"step\":2}", "step 2", lines.get(1).replace("[8,8]", "[]"))) {
            Files.write(file(), List.of(lines.get(0), broken, lines.get(2)));
            assertThatIllegalArgumentException()
                    .isThrownBy(this::replayed)
                    .withMessageContainingAll("line 2 of", "metrics.jsonl");
        }
    }

    @Test
    void aFileThatCannotBeMadeIsNamed() throws IOException {
        Files.createDirectories(file());
        try (MetricsFile metrics = new MetricsFile(file())) {
            assertThatExceptionOfType(UncheckedIOException.class)
                    .isThrownBy(() -> metrics.onStart(0))
                    .withMessageContainingAll("metrics.jsonl", "directory");
        }
    }

    @Test
    void aFullDiskIsSaid() {
        Path full = Path.of("/dev/full"); // Linux has a device for that
        assumeThat(full).exists();
        try (MetricsFile metrics = new MetricsFile(full)) {
            assertThatExceptionOfType(UncheckedIOException.class)
                    .isThrownBy(() -> metrics.onStep(Runs.step(1)))
                    .withMessageContainingAll("/dev/full", "No space left");
        }
    }

    @Test
    void aLineWithoutCountsOfAnExpertIsRefused(@TempDir Path place) throws IOException {
        Path lines = place.resolve(MetricsFile.NAME);
        try (MetricsFile metrics = new MetricsFile(lines)) {
            metrics.onStart(0);
            metrics.onStep(Runs.step(1));
        }
        String text = Files.readString(lines);
        Files.writeString(lines, text.replaceFirst("\"expert_load\":\\[\\[[^\\]]*\\]", "\"expert_load\":[null"));
        assertThatThrownBy(() -> MetricsFile.replay(lines, new Runs.Recorder()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("line 1 of " + lines);
    }
}
