package ai.molae.djl.train.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.metrics.EventDecoder.Event;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Read back by {@link EventDecoder}, which knows the published format and none of the code that writes. */
class TensorBoardFileTest {

    @TempDir
    private Path folder;

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    private List<Event> events() throws IOException {
        assertThat(files()).hasSize(1);
        return EventDecoder.read(files().get(0));
    }

    /** Every event file in the world begins so: a record of 24 bytes, the masked crc of this number, wall_time. */
    @Test
    void beginsAsEveryEventFile() throws IOException {
        try (TensorBoardFile board = new TensorBoardFile(folder)) {
            board.onStart(0);
        }

        byte[] bytes = Files.readAllBytes(files().get(0));
        assertThat(bytes).startsWith(24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 0x09);
        assertThat(files().get(0).getFileName().toString()).matches("events\\.out\\.tfevents\\.\\d{10}\\..+\\.\\d+");
        assertThat(events().get(0).fileVersion()).isEqualTo("brain.Event:2");
        assertThat(events().get(0).wallTime()).isBetween(1.7e9, 1e11);
    }

    /** The crcs of RFC 3720 B.4: 32 zeros, 32 ones, and the check value of CRC-32C; masked by hand. */
    @Test
    void masksTheChecksum() {
        byte[] ones = new byte[32];
        Arrays.fill(ones, (byte) 0xff);
        assertThat(EventRecord.maskedCrc(new byte[32], 32)).isEqualTo(masked(0x8a9136aaL));
        assertThat(EventRecord.maskedCrc(ones, 32)).isEqualTo(masked(0x62a8ab43L));
        assertThat(EventRecord.maskedCrc("123456789 and more".getBytes(StandardCharsets.UTF_8), 9))
                .isEqualTo(masked(0xe3069283L));
    }

    private static int masked(long crc) {
        return (int) ((((crc >> 15) | (crc << 17)) + 0xa282ead8L) & 0xffffffffL);
    }

    @Test
    void aStepIsAnEventWithItsScalars() throws IOException {
        try (TensorBoardFile board = new TensorBoardFile(folder)) {
            board.onStart(0);
            board.onStep(Runs.step(200));
        }

        Event event = events().get(2);
        assertThat(event.step()).isEqualTo(200);
        assertThat(event.scalars())
                .containsAllEntriesOf(Map.of(
                        "loss/train", 0.02f,
                        "loss/aux", 0.25f,
                        "optimizer/gradient_norm", 1.5f,
                        "optimizer/learning_rate", 1e-4f,
                        "speed/tokens_per_second", 16f,
                        "speed/flops_utilisation", 0.375f,
                        "memory/native_bytes", 1e12f,
                        "progress/tokens", 1600f));
        assertThat(event.scalars())
                .containsAllEntriesOf(Map.of(
                        "router_entropy/layer_01", 1.25f,
                        "router_entropy/layer_03", 0.5f,
                        "balance_loss/layer_01", 1.5f,
                        "z_loss/layer_01", 7.5f,
                        "imbalance/layer_01", 2f,
                        "idle_experts/layer_01", 1f,
                        "dropped/layer_01", 3f))
                .hasSize(8 + 2 * 6);
    }

    @Test
    void expertLoadIsAHistogramWithABarPerExpert() throws IOException {
        try (TensorBoardFile board = new TensorBoardFile(folder)) {
            board.onStep(Runs.step(10));
        }

        Map<String, EventDecoder.Histogram> histograms = events().get(2).histograms();
        assertThat(histograms).containsOnlyKeys("expert_load/layer_01", "expert_load/layer_03");
        EventDecoder.Histogram load = histograms.get("expert_load/layer_01");
        assertThat(load.limits()).containsExactly(1, 2, 3, 4);
        assertThat(load.counts()).containsExactly(6, 2, 0, 8);
        // 0.5·6 + 1.5·2 + 3.5·8 = 34; 0.25·6 + 2.25·2 + 12.25·8 = 104
        assertThat(load.statistics()).containsExactly(new double[] {0, 4, 16, 34, 104}, within(1e-12));
    }

    @Test
    void layersAreWrittenEverySoManySteps() throws IOException {
        try (TensorBoardFile board = new TensorBoardFile(folder, 2)) {
            for (long step = 1; step <= 4; step++) {
                board.onStep(Runs.step(step));
            }
        }

        assertThat(events().stream().skip(2).map(event -> event.histograms().size()))
                .containsExactly(0, 2, 0, 2);
        assertThatIllegalArgumentException().isThrownBy(() -> new TensorBoardFile(folder, 0));
    }

    @Test
    void whatIsUnknownIsLeftOut() throws IOException {
        try (TensorBoardFile board = new TensorBoardFile(folder)) {
            board.onStep(Runs.unknown(1));
        }

        assertThat(events().get(2).scalars())
                .containsOnlyKeys("loss/aux", "optimizer/learning_rate", "progress/tokens");
    }

    @Test
    void anEvaluationIsAnEvent() throws IOException {
        try (TensorBoardFile board = new TensorBoardFile(folder)) {
            board.onEvaluation(new Evaluation(7, 2.5, 100));
        }

        Event event = events().get(2);
        assertThat(event.step()).isEqualTo(7);
        assertThat(event.scalars()).containsExactly(Map.entry("loss/validation", 2.5f));
    }

    /** TensorBoard forgets events at and after the step of a session's start; see its event accumulators. */
    @Test
    void resumingBeginsALaterFileThatVoidsTheStepsAfter() throws IOException {
        for (long start : new long[] {0, 3, 3}) {
            try (TensorBoardFile board = new TensorBoardFile(folder)) {
                board.onStart(start);
                board.onStep(Runs.step(start + 1));
                board.onEnd();
            }
        }

        assertThat(files()).hasSize(3);
        for (int i = 1; i < 3; i++) {
            List<Event> events = EventDecoder.read(files().get(i));
            assertThat(events.get(1).sessionStatus()).as("SessionLog.START").isEqualTo(1);
            assertThat(events.get(1).step()).isEqualTo(4);
            assertThat(events.get(2).step()).isEqualTo(4);
        }
        assertThat(EventDecoder.read(files().get(0)).get(2).step()).isEqualTo(1);
    }

    @Test
    void aFolderThatCannotBeMadeIsNamed() throws IOException {
        Path taken = Files.writeString(folder.resolve("taken"), "a file");
        try (TensorBoardFile board = new TensorBoardFile(taken)) {
            assertThatExceptionOfType(UncheckedIOException.class)
                    .isThrownBy(() -> board.onStart(0))
                    .withMessageContaining("taken");
        }
    }
}
