package ai.molae.djl.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Checkpoints that Hugging Face's library wrote, read and written again: every file comes out byte for byte the same. */
class SafetensorsRoundTripTest {

    @TempDir
    private Path temp;

    static Stream<String> cases() {
        return CheckpointFiles.CASES.stream();
    }

    private interface Copy {
        void copy(SafetensorsFolder from, String name, SafetensorsWriter to) throws IOException;
    }

    private void assertCopiedByteForByte(Path golden, Copy copy) throws IOException {
        long maxShardBytes = 0;
        try (SafetensorsFolder from = SafetensorsFolder.open(golden)) {
            if (Files.exists(golden.resolve(ShardIndex.FILE_NAME))) {
                for (SafetensorsFile shard : Shards.open(golden)) {
                    maxShardBytes = Math.max(
                            maxShardBytes,
                            shard.tensors().values().stream()
                                    .mapToLong(TensorInfo::bytes)
                                    .sum());
                    shard.close();
                }
            }
            List<TensorSpec> specs =
                    from.tensors().values().stream().map(TensorInfo::spec).toList();
            try (SafetensorsWriter to = SafetensorsWriter.create(temp, specs, from.metadata(), maxShardBytes)) {
                for (String name : from.tensors().keySet()) {
                    copy.copy(from, name, to);
                }
                to.finish();
            }
        }
        Map<String, String> expected = CheckpointFiles.contents(golden);
        expected.keySet().removeIf(name -> !name.startsWith("model"));
        Map<String, String> actual = CheckpointFiles.contents(temp);
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        actual.forEach((name, bytes) ->
                assertThat(bytes.equals(expected.get(name))).as(name).isTrue());
    }

    @ParameterizedTest
    @MethodSource("cases")
    void bytesComeBack(String name) throws IOException {
        assertCopiedByteForByte(CheckpointFiles.golden(name), (from, tensor, to) -> {
            ByteBuffer bytes = ByteBuffer.allocateDirect(
                    Math.toIntExact(from.tensors().get(tensor).bytes()));
            from.read(tensor, 0, bytes);
            to.writeRaw(tensor, bytes.flip());
        });
    }

    @ParameterizedTest
    @MethodSource("cases")
    void floatsComeBackInPieces(String name) throws IOException {
        assertCopiedByteForByte(CheckpointFiles.golden(name), (from, tensor, to) -> {
            long elements = from.tensors().get(tensor).elements();
            for (long first = 0; first < elements; first += 777) {
                FloatBuffer piece = CheckpointFiles.directFloats((int) Math.min(777, elements - first));
                from.readFloats(tensor, first, piece);
                to.write(tensor, piece.flip());
            }
        });
    }
}
