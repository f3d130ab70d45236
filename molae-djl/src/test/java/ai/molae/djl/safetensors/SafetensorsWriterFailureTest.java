package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.contents;
import static ai.molae.djl.safetensors.CheckpointFiles.floats;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What becomes of a folder when a save replaces another, breaks off, or fails. */
class SafetensorsWriterFailureTest {

    @TempDir
    private Path temp;

    /** Tensors t0, t1, ... of 4 bytes. */
    private static List<TensorSpec> tensors(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> TensorSpec.of("t" + i, TensorType.F32, 1))
                .toList();
    }

    private static void writeAll(SafetensorsWriter writer, int count, float value) throws IOException {
        for (int i = 0; i < count; i++) {
            writer.write("t" + i, floats(value));
        }
    }

    private void save(int count, long maxShardBytes, float value) throws IOException {
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(temp, tensors(count), Map.of("n", "" + value), maxShardBytes)) {
            writeAll(writer, count, value);
            writer.finish();
        }
    }

    private void assertHolds(int count, float value) throws IOException {
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors()).hasSize(count);
            for (String name : folder.tensors().keySet()) {
                assertThat(CheckpointFiles.read(folder, name)).containsExactly(value);
            }
        }
    }

    private static String shard(int number, int count) {
        return "model-%05d-of-%05d.safetensors".formatted(number, count);
    }

    @Test
    void aSaveTakesThePlaceOfTheOneBeforeAndNothingElse() throws IOException {
        Files.writeString(temp.resolve("config.json"), "{}");
        Files.writeString(temp.resolve("other.safetensors"), "not ours");
        save(1, 0, 1);
        assertThat(contents(temp)).containsOnlyKeys("config.json", "model.safetensors", "other.safetensors");
        save(3, 4, 2);
        assertThat(contents(temp))
                .containsOnlyKeys(
                        "config.json",
                        shard(1, 3),
                        shard(2, 3),
                        shard(3, 3),
                        ShardIndex.FILE_NAME,
                        "other.safetensors");
        assertHolds(3, 2);
        save(2, 4, 3);
        assertThat(contents(temp))
                .containsOnlyKeys("config.json", shard(1, 2), shard(2, 2), ShardIndex.FILE_NAME, "other.safetensors");
        assertHolds(2, 3);
        save(2, 4, 4);
        assertHolds(2, 4);
        save(2, 0, 5);
        assertThat(contents(temp)).containsOnlyKeys("config.json", "model.safetensors", "other.safetensors");
        assertHolds(2, 5);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 4})
    void beforeFinishAndAfterBreakingOffTheOldCheckpointIsThere(long maxShardBytes) throws IOException {
        save(2, maxShardBytes, 1);
        Map<String, String> before = contents(temp);
        try (SafetensorsWriter writer = SafetensorsWriter.create(temp, tensors(2), Map.of(), maxShardBytes)) {
            writeAll(writer, 2, 2);
            assertThat(contents(temp))
                    .containsAllEntriesOf(before)
                    .containsKey((maxShardBytes == 0 ? "model.safetensors" : shard(1, 2)) + ".part");
            assertHolds(2, 1);
        }
        assertThat(contents(temp)).isEqualTo(before);
    }

    @Test
    void breakingOffTakesAwayTheFoldersItMade() throws IOException {
        Path deep = temp.resolve("a/b/c");
        try (SafetensorsWriter writer = SafetensorsWriter.create(deep, tensors(1), Map.of(), 0)) {
            writeAll(writer, 1, 1);
            assertThat(deep).isDirectory();
        }
        assertThat(temp).isEmptyDirectory();
        SafetensorsWriter.create(temp, tensors(1), Map.of(), 0).close();
        assertThat(temp).isEmptyDirectory();
        try (SafetensorsWriter writer = SafetensorsWriter.create(deep, tensors(1), Map.of(), 0)) {
            writeAll(writer, 1, 1);
            writer.finish();
        }
        assertThat(contents(deep)).containsOnlyKeys("model.safetensors");
    }

    @Test
    void aFolderThatSomeoneElseUsesMeanwhileStays() throws IOException {
        Path deep = temp.resolve("a/b");
        try (SafetensorsWriter writer = SafetensorsWriter.create(deep, tensors(1), Map.of(), 0)) {
            writeAll(writer, 1, 1);
            Files.writeString(deep.resolve("notes.txt"), "");
        }
        assertThat(contents(deep)).containsOnlyKeys("notes.txt");
    }

    @Test
    void theRestOfACrashIsOverwrittenAndLinksAreNotFollowed() throws IOException {
        Path victim = Files.writeString(temp.resolve("victim"), "kept");
        Files.createSymbolicLink(temp.resolve("model.safetensors.part"), victim);
        for (String left :
                List.of(shard(1, 9) + ".part", ShardIndex.FILE_NAME + ".part", ShardIndex.FILE_NAME + ".old")) {
            Files.writeString(temp.resolve(left), "half");
        }
        save(1, 0, 1);
        assertThat(victim).hasContent("kept");
        assertHolds(1, 1);
        assertThat(contents(temp)).containsOnlyKeys("model.safetensors", "victim");
    }

    /** A file that takes some bytes and then no more, as on a full disk. */
    private static FileChannel filling(Path file, long room) throws IOException {
        FileChannel inner = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
        return new FullDisk(inner, room);
    }

    @Test
    void aFullDiskIsAFaultWithNumbersAndLeavesTheOldCheckpoint() throws IOException {
        save(2, 0, 1);
        Map<String, String> before = contents(temp);
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(temp, tensors(2), Map.of(), 0, file -> filling(file, 100))) {
            writeAll(writer, 2, 2);
            assertThatExceptionOfType(SafetensorsException.class)
                    .isThrownBy(writer::finish)
                    .withMessageContainingAll("model.safetensors.part", "after 100 bytes", "No space left");
            assertThatIllegalStateException().isThrownBy(writer::finish).withMessageContaining("the writer is failed");
            assertThatIllegalStateException().isThrownBy(() -> writer.write("t1", floats(1)));
        }
        assertThat(contents(temp)).isEqualTo(before);
    }

    @Test
    void aFullDiskWhileWritingALargeTensorIsToldAtOnce() throws IOException {
        TensorSpec large = TensorSpec.of("large", TensorType.F32, 3 << 20);
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(temp, List.of(large), Map.of(), 0, file -> filling(file, 5_000_000))) {
            ByteBuffer bytes = ByteBuffer.allocateDirect(12 << 20);
            assertThatExceptionOfType(SafetensorsException.class)
                    .isThrownBy(() -> writer.writeRaw("large", bytes))
                    .withMessageContainingAll("after 5000000 bytes", "No space left");
            assertThatIllegalStateException().isThrownBy(() -> writer.writeRaw("large", ByteBuffer.allocate(4)));
        }
        assertThat(temp).isEmptyDirectory();
    }

    @Test
    void aFolderInThePlaceOfAFileIsToldBeforeAnythingIsReplaced() throws IOException {
        save(2, 4, 1);
        Files.createDirectories(temp.resolve("model.safetensors/full"));
        Map<String, String> before = contents(temp);
        assertThatIOException().isThrownBy(() -> save(2, 0, 2)).withMessageContaining("a folder stands where");
        assertThat(contents(temp)).isEqualTo(before);
        assertHolds(2, 1);
    }

    @Test
    void ifTheFirstFileCannotTakeItsPlaceNothingHasChanged() throws IOException {
        save(3, 4, 1);
        Map<String, String> before = contents(temp);
        before.remove(shard(1, 3));
        try (SafetensorsWriter writer = SafetensorsWriter.create(temp, tensors(3), Map.of(), 4)) {
            writeAll(writer, 3, 2);
            Files.delete(temp.resolve(shard(1, 3)));
            Files.createDirectories(temp.resolve(shard(1, 3)).resolve("full"));
            assertThatIOException().isThrownBy(writer::finish).withMessageContaining(shard(1, 3));
        }
        assertThat(contents(temp)).isEqualTo(before);
    }

    @Test
    void ifALaterFileCannotTakeItsPlaceNothingIsLostAndNothingIsMixed() throws IOException {
        save(3, 4, 1);
        try (SafetensorsWriter writer = SafetensorsWriter.create(temp, tensors(3), Map.of(), 4)) {
            writeAll(writer, 3, 2);
            Files.delete(temp.resolve(shard(2, 3)));
            Files.createDirectories(temp.resolve(shard(2, 3)).resolve("full"));
            assertThatExceptionOfType(SafetensorsException.class)
                    .isThrownBy(writer::finish)
                    .withMessageContainingAll(
                            "rename by hand",
                            "*.part: [" + shard(2, 3) + ", " + shard(3, 3) + ", " + ShardIndex.FILE_NAME);
        }
        assertThatExceptionOfType(SafetensorsException.class)
                .as("old and new shards are not taken for a checkpoint")
                .isThrownBy(() -> SafetensorsFolder.open(temp).close());
        assertThat(contents(temp))
                .containsKeys(
                        shard(1, 3), shard(2, 3) + ".part", shard(3, 3) + ".part", ShardIndex.FILE_NAME + ".part");
        Files.delete(temp.resolve(shard(2, 3)).resolve("full"));
        Files.delete(temp.resolve(shard(2, 3)));
        save(3, 4, 3);
        assertHolds(3, 3);
        assertThat(contents(temp)).containsOnlyKeys(shard(1, 3), shard(2, 3), shard(3, 3), ShardIndex.FILE_NAME);
    }

    @Test
    void aCheckpointCanBeWrittenOverTheOneThatIsBeingRead() throws IOException {
        save(3, 4, 1);
        try (SafetensorsFolder old = SafetensorsFolder.open(temp);
                SafetensorsWriter writer = SafetensorsWriter.create(temp, tensors(3), Map.of(), 8)) {
            for (String name : old.tensors().keySet()) {
                writer.write(name, floats(CheckpointFiles.read(old, name)[0] + 1));
            }
            writer.finish();
            assertThat(CheckpointFiles.read(old, "t0")).containsExactly(1);
        }
        assertHolds(3, 2);
    }
}
