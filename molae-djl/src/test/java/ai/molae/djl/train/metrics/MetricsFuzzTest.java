package ai.molae.djl.train.metrics;

import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** metrics.jsonl with something wrong: replayed and gone on with, or refused with its name. */
class MetricsFuzzTest {

    @TempDir
    private Path folder;

    private Path file;
    private List<String> lines;

    @BeforeEach
    void write() throws IOException {
        file = folder.resolve(MetricsFile.NAME);
        try (MetricsFile metrics = new MetricsFile(file)) {
            metrics.onStart(0);
            metrics.onStep(Runs.step(1));
            metrics.onStep(Runs.unknown(2));
            metrics.onEvaluation(new Evaluation(2, 2.5, 100));
            metrics.onStep(Runs.step(3));
        }
        lines = Files.readAllLines(file);
    }

    private byte[] changed(SplittableRandom random) {
        StringBuilder text = new StringBuilder();
        int which = random.nextInt(lines.size());
        for (int i = 0; i < lines.size(); i++) {
            text.append(i == which ? JsonMutations.mutate(lines.get(i), random) : lines.get(i))
                    .append('\n');
        }
        byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
        return random.nextInt(4) == 0 ? ByteMutations.damage(bytes, random) : bytes;
    }

    private Fuzz fuzz(String name) {
        return Fuzz.of(name, 500)
                .refusedBy(IllegalArgumentException.class, UncheckedIOException.class)
                .naming(MetricsFile.NAME);
    }

    @Test
    void linesAreReplayedOrRefused() {
        fuzz("metrics replay").run(this::changed, bytes -> {
            Files.write(file, bytes);
            MetricsFile.replay(file, new Runs.Recorder());
        });
    }

    @Test
    void aRunGoesOnWithThemOrIsRefused() {
        fuzz("metrics resume").run(this::changed, bytes -> {
            Files.write(file, bytes);
            try (MetricsFile metrics = new MetricsFile(file)) {
                metrics.onStart(2);
                metrics.onStep(Runs.step(3));
            }
        });
    }
}
