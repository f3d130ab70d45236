package ai.molae.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.results.Environment;
import ai.molae.bench.results.Results;
import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Results of benchmarks with something wrong: compared, or refused with the file's name. */
class ResultsFuzzTest {

    private static final String JMH =
            """
            [{"benchmark": "ai.molae.bench.layer.LayerForward.forward", "mode": "avgt",
              "params": {"tokens": "4", "variant": "MOE", "implementation": "MOLAE", "precision": "FLOAT32"},
              "primaryMetric": {"score": 9, "scoreUnit": "us/op", "rawData": [[1000, 3000], [2000, 8000]]},
              "secondaryMetrics": {"tokens": {"score": 4, "scoreUnit": "#", "rawData": [[4, 4], [4, 4]]},
                                   "flops": {"score": 4e9, "scoreUnit": "#", "rawData": [[4e9]]},
                                   "peakFlops": {"score": 1e12, "scoreUnit": "#", "rawData": [[1e12]]},
                                   "error": {"score": "NaN", "scoreUnit": "#", "rawData": [["NaN"]]}}},
             {"benchmark": "ai.molae.bench.layer.LayerDecode.decode", "params": {"tokens": "1"},
              "primaryMetric": {"score": "NaN", "scoreUnit": "ms/op", "rawData": [[2.0]]}}]
            """;
    private static final String ENVIRONMENT =
            "{\"commit\": \"abc\", \"cpu\": \"one\", \"threads\": \"2\", \"date\": \"today\"}";

    @TempDir
    private Path folder;

    private interface Reader {
        void read(Path file) throws Exception;
    }

    private void fuzz(Fuzz fuzz, String name, String text, Reader reader) {
        Path file = folder.resolve(name);
        Fuzz.Tally tally = fuzz.run(
                random -> {
                    byte[] bytes = JsonMutations.mutate(text, random).getBytes(StandardCharsets.UTF_8);
                    return random.nextInt(5) == 0 ? ByteMutations.damage(bytes, random) : bytes;
                },
                bytes -> {
                    Files.write(file, bytes);
                    reader.read(file);
                });
        assertThat(Fuzz.isLong() || tally.worked() > 50).as("%s", tally).isTrue();
    }

    @Test
    void resultsAreComparedOrRefused() throws Exception {
        Path whole = Files.writeString(folder.resolve("whole.json"), JMH);
        List<Measured> before = Measurements.read(whole);
        fuzz(Fuzz.of(Results.FILE, 800), Results.FILE, JMH, file -> {
            Comparison comparison = Comparison.ofPart(before, Measurements.read(file));
            ComparisonTables.of(comparison, true);
            ComparisonTables.notes(comparison);
        });
    }

    @Test
    void environmentsAreReadOrRefused() {
        fuzz(
                Fuzz.of(Environment.FILE, 800).naming(Environment.FILE),
                Environment.FILE,
                ENVIRONMENT,
                file -> Environment.read(file).json());
    }
}
