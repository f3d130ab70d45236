package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.array;
import static ai.molae.djl.safetensors.CheckpointFiles.bytes;
import static ai.molae.djl.safetensors.CheckpointFiles.directFloats;
import static ai.molae.djl.safetensors.CheckpointFiles.entry;
import static ai.molae.djl.safetensors.CheckpointFiles.littleEndian;
import static ai.molae.djl.safetensors.CheckpointFiles.writeBytes;
import static ai.molae.djl.safetensors.CheckpointFiles.writeIndex;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFolderTest {

    private static final String ONE = "model-00001-of-00002.safetensors";
    private static final String TWO = "model-00002-of-00002.safetensors";

    @TempDir
    private Path temp;

    private void assertRefused(String... parts) {
        assertThatExceptionOfType(SafetensorsException.class)
                .isThrownBy(() -> SafetensorsFolder.open(temp).close())
                .withMessageStartingWith(temp.toString())
                .withMessageContainingAll(parts);
    }

    private void writeShards() throws IOException {
        writeBytes(temp.resolve(ONE), "a", "b");
        writeBytes(temp.resolve(TWO), "c");
    }

    @Test
    void aGoldenShardedFolderHoldsWhatItsShardsHold() throws IOException {
        try (SafetensorsFolder folder = SafetensorsFolder.open(CheckpointFiles.golden("deepseek_v3-a/bf16-sharded"))) {
            assertThat(folder.bytes()).isEqualTo(98144);
            assertThat(folder.files()).hasSize(3);
            assertThat(folder.files().values().stream().flatMap(List::stream))
                    .containsExactlyElementsOf(folder.tensors().values());
            assertThat(folder.metadata()).containsExactly(Map.entry("format", "pt"));
            assertThat(folder.tensors().values().stream().map(TensorInfo::type))
                    .contains(TensorType.BF16, TensorType.F32);
            assertThat(folder.tensors().get("model.embed_tokens.weight").shape())
                    .containsExactly(112L, 32L);
        }
    }

    /** bfloat16 is the upper half of float32, so a rounded copy differs by at most 2⁻⁸ of the number. */
    @Test
    void aBf16CheckpointHoldsTheRoundedNumbersOfTheFloat32One() throws IOException {
        try (SafetensorsFolder exact = SafetensorsFolder.open(CheckpointFiles.golden("mixtral-a"));
                SafetensorsFolder rounded = SafetensorsFolder.open(CheckpointFiles.golden("mixtral-a/bf16-sharded"))) {
            assertThat(rounded.tensors().keySet()).isEqualTo(exact.tensors().keySet());
            for (String name : exact.tensors().keySet()) {
                ByteBuffer bf16 = littleEndian((int) rounded.tensors().get(name).bytes());
                FloatCodec.encode(FloatBuffer.wrap(CheckpointFiles.read(exact, name)), TensorType.BF16, bf16);
                ByteBuffer stored = littleEndian(bf16.capacity());
                rounded.read(name, 0, stored);
                assertThat(stored.flip().equals(bf16.flip())).as(name).isTrue();
            }
        }
    }

    @Test
    void readsAnyRangeOfAnyTypeAsFloats() throws IOException {
        String header = "{" + entry("u", "U8", "[2,5]", 0, 10) + "," + entry("h", "BF16", "[3]", 10, 16) + "}";
        byte[] content = bytes(header, 16);
        System.arraycopy(new byte[] {(byte) 0x80, 0x3f, 0, 0x40, 0x40, 0x40}, 0, content, content.length - 6, 6);
        Files.write(temp.resolve("model.safetensors"), content);
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            FloatBuffer into = directFloats(6);
            folder.readFloats("u", 7, into.position(1).limit(4));
            assertThat(into.position()).isEqualTo(4);
            folder.readFloats("h", 1, into.limit(6));
            assertThat(array(into.flip())).containsExactly(0, 7, 8, 9, 2, 3);
            folder.readFloats("h", 3, into.limit(0));
            FloatBuffer heap = FloatBuffer.allocate(3);
            folder.readFloats("h", 0, heap);
            assertThat(heap.array()).containsExactly(1, 2, 3);
            ByteBuffer raw = littleEndian(2);
            folder.read("h", 2, raw);
            assertThat(array(raw.flip())).containsExactly(0, 0x40);
        }
    }

    private static long heapAllocated() {
        return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
    }

    private static long nativeInUse() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }

    /** Over two chunks of 4 MB, from an element that is no multiple of anything. */
    @Test
    void aTensorLargerThanTheChunkIsReadWhole() throws IOException {
        int elements = 5_000_011;
        byte[] content = bytes("{" + entry("x", "BF16", "[" + elements + "]", 0, 2L * elements) + "}", 2 * elements);
        Files.write(temp.resolve("model.safetensors"), content);
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            FloatBuffer into = directFloats(elements - 13);
            folder.readFloats("x", 0, into.limit(1)); // loads classes and makes the chunk
            long nativeBefore = nativeInUse();
            long heapBefore = heapAllocated(); // last, because the first look at native memory loads classes too
            folder.readFloats("x", 13, into.clear());
            assertThat(heapAllocated() - heapBefore).as("bytes on the heap").isLessThan(100_000);
            assertThat(nativeInUse() - nativeBefore).as("native bytes").isLessThan(100_000);
            int wrong = 0;
            int data = content.length - 2 * elements;
            for (int i = 0; i < into.capacity(); i++) {
                int at = data + 2 * (i + 13);
                int bits = (content[at] & 0xff) << 16 | content[at + 1] << 24;
                wrong += Float.floatToRawIntBits(into.get(i)) == bits ? 0 : 1;
            }
            assertThat(wrong).isZero();
        }
    }

    @Test
    void refusesRangesAndNamesThatAreNotThere() throws IOException {
        writeBytes(temp.resolve("model.safetensors"), "a");
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folder.readFloats("a", 0, directFloats(2)))
                    .withMessage("tensor a of shape [1] has 1 elements, asked for 2 from 0");
            assertThatIllegalArgumentException().isThrownBy(() -> folder.readFloats("a", -1, directFloats(1)));
            assertThatExceptionOfType(SafetensorsException.class)
                    .isThrownBy(() -> folder.readFloats("b", 0, directFloats(1)))
                    .withMessageContainingAll(temp.toString(), "no tensor b among its 1");
            assertThatExceptionOfType(SafetensorsException.class)
                    .isThrownBy(() -> folder.read("b", 0, littleEndian(1)));
        }
    }

    @Test
    void theOnlyFileIsTheCheckpointWhateverItsName() throws IOException {
        writeBytes(temp.resolve("weights.safetensors"), "a");
        Files.writeString(temp.resolve("config.json"), "{}");
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors()).containsOnlyKeys("a");
            assertThat(folder.path()).isEqualTo(temp);
        }
        writeBytes(temp.resolve("other.safetensors"), "b");
        assertRefused("there are 2: [other.safetensors, weights.safetensors]");
        writeBytes(temp.resolve("model.safetensors"), "c");
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors()).containsOnlyKeys("c");
        }
    }

    @Test
    void theIndexGoesBeforeASingleFile() throws IOException {
        writeBytes(temp.resolve("model.safetensors"), "stray");
        writeShards();
        writeIndex(temp, "c", TWO, "a", ONE, "b", ONE);
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors().keySet()).containsExactly("a", "b", "c");
        }
    }

    @Test
    void metadataOfAllShardsIsKeptTheFirstOneWins() throws IOException {
        Files.write(temp.resolve(ONE), bytes("{\"__metadata__\":{\"x\":\"1\",\"y\":\"2\"}}", 0));
        String second = "{\"__metadata__\":{\"y\":\"3\",\"z\":\"4\"}," + entry("c", "U8", "[1]", 0, 1) + "}";
        Files.write(temp.resolve(TWO), bytes(second, 1));
        writeIndex(temp, "c", TWO);
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.metadata()).as("a shard that is not named").isEqualTo(Map.of("y", "3", "z", "4"));
        }
        writeBytes(temp.resolve("model-0.safetensors"), "b");
        writeIndex(temp, "c", TWO, "b", "model-0.safetensors");
        String first = "{\"__metadata__\":{\"y\":\"9\"}," + entry("b", "U8", "[1]", 0, 1) + "}";
        Files.write(temp.resolve("model-0.safetensors"), bytes(first, 1));
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.metadata()).isEqualTo(Map.of("y", "9", "z", "4"));
        }
    }

    @Test
    void anEmptyOrMissingFolderIsRefused() throws IOException {
        assertRefused("there are 0");
        Path missing = temp.resolve("missing");
        assertThatExceptionOfType(SafetensorsException.class)
                .isThrownBy(() -> SafetensorsFolder.open(missing).close())
                .withMessage(missing + ": there is no such folder");
    }

    @Test
    void aMissingShardIsRefused() throws IOException {
        writeBytes(temp.resolve(ONE), "a", "b");
        writeIndex(temp, "a", ONE, "b", ONE, "c", TWO);
        assertRefused("shard " + TWO + ", one of 2, is missing");
        Files.createDirectory(temp.resolve(TWO));
        assertRefused("shard " + TWO);
    }

    @Test
    void aFaultyShardIsRefusedByItsOwnName() throws IOException {
        writeShards();
        writeIndex(temp, "a", ONE, "b", ONE, "c", TWO);
        Files.write(temp.resolve(TWO), new byte[5]);
        assertRefused(TWO, "5 bytes");
    }

    @Test
    void indexAndShardsMustAgree() throws IOException {
        writeShards();
        writeIndex(temp, "a", ONE, "b", ONE, "c", TWO, "d", TWO);
        assertRefused("tensor d is not in " + TWO);
        writeIndex(temp, "a", ONE, "c", TWO);
        assertRefused("tensor b of " + ONE + " is none of the 2 of the index");
        writeIndex(temp, "a", ONE, "b", TWO, "c", TWO);
        assertRefused("tensor b is in " + ONE + ", the index says in " + TWO);
        writeBytes(temp.resolve(TWO), "c", "b");
        writeIndex(temp, "a", ONE, "b", ONE, "c", TWO);
        assertRefused("tensor b is in two shards, " + ONE + " and " + TWO);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../x.safetensors",
                "/x.safetensors",
                "sub/x.safetensors",
                "sub\\\\x.safetensors",
                "C:x.safetensors",
                "..",
                "",
                "x.bin",
                "x\\u0000.safetensors",
                "./x.safetensors"
            })
    void shardsOutsideTheFolderAreRefused(String shard) throws IOException {
        Path sub = Files.createDirectory(temp.resolve("sub"));
        for (Path file : new Path[] {temp.resolve("x.safetensors"), sub.resolve("x.safetensors")}) {
            writeBytes(file, "a");
        }
        writeIndex(temp, "a", shard);
        assertRefused("tensor a is said to be in", "beside the index");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{",
                "{}",
                "{\"weight_map\": 3}",
                "{\"weight_map\": {\"a\": 3}}",
                "{\"weight_map\": {\"a\": null}}",
                "{\"weight_map\": {}, \"weight_map\": {}}",
                "{\"weight_map\": {\"a\": \"x.safetensors\", \"a\": \"x.safetensors\"}}",
                "{\"weight_map\": {\"a\": \"x.safetensors\"}} more",
                "{\"metadata\": \"\u00ff\", \"weight_map\": {\"a\": \"x.safetensors\"}}"
            })
    void aFaultyIndexIsRefused(String index) throws IOException {
        writeBytes(temp.resolve("x.safetensors"), "a");
        Files.writeString(temp.resolve(ShardIndex.FILE_NAME), index, StandardCharsets.ISO_8859_1);
        assertRefused(ShardIndex.FILE_NAME);
    }

    @Test
    void aDeeplyNestedIndexIsRefusedAndOtherKeysAreIgnored() throws IOException {
        writeBytes(temp.resolve("x.safetensors"), "a");
        String map = "\"weight_map\": {\"a\": \"x.safetensors\"}";
        Path index = temp.resolve(ShardIndex.FILE_NAME);
        Files.writeString(index, "{\"metadata\": " + "[".repeat(200_000) + "]".repeat(200_000) + "," + map + "}");
        assertRefused(ShardIndex.FILE_NAME, "not JSON");
        Files.writeString(index, "{\"metadata\": {\"total_size\": 1.5e3}, \"other\": [null, [2]], " + map + "}");
        SafetensorsFolder.open(temp).close();
    }

    @Test
    void anIndexWithoutTensorsIsAnEmptyCheckpoint() throws IOException {
        writeIndex(temp);
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors()).isEmpty();
            assertThat(folder.bytes()).isZero();
        }
    }
}
