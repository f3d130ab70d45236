package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.array;
import static ai.molae.djl.safetensors.CheckpointFiles.bytes;
import static ai.molae.djl.safetensors.CheckpointFiles.entry;
import static ai.molae.djl.safetensors.CheckpointFiles.littleEndian;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsFileTest {

    private static final long GIB = 1L << 30;

    @TempDir
    private Path temp;

    /** Bytes 0 to 9 in a, 10 to 29 in b. */
    private Path small() throws IOException {
        String header = "{" + entry("a", "U8", "[10]", 0, 10) + "," + entry("b", "F32", "[5]", 10, 30) + "}";
        return Files.write(temp.resolve("small.safetensors"), bytes(header, 30));
    }

    private static ByteBuffer[] buffers(int bytes) {
        return new ByteBuffer[] {littleEndian(bytes), ByteBuffer.allocate(bytes)};
    }

    @Test
    void readsAnyRangeIntoTheRoomOfABuffer() throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(small())) {
            for (ByteBuffer buffer : buffers(8)) {
                buffer.position(2).limit(6);
                file.read(file.tensors().get("b"), 3, buffer);
                assertThat(buffer.position()).isEqualTo(6);
                assertThat(buffer.limit()).isEqualTo(6);
                assertThat(array(buffer.clear())).containsExactly(0, 0, 13, 14, 15, 16, 0, 0);
                file.read(file.tensors().get("a"), 10, buffer.limit(0));
                file.read(file.tensors().get("a"), 9, buffer.clear().limit(1));
                assertThat(buffer.get(0)).isEqualTo((byte) 9);
            }
        }
    }

    @Test
    void aHeapBufferLargerThanAReadIsFilledToo() throws IOException {
        int size = (5 << 20) + 3;
        Path path =
                Files.write(temp.resolve("x"), bytes("{" + entry("a", "U8", "[" + size + "]", 0, size) + "}", size));
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            ByteBuffer heap = ByteBuffer.allocate(size);
            file.read(file.tensors().get("a"), 0, heap);
            for (int i = 0; i < size; i++) {
                byte expected = (byte) (i % CheckpointFiles.PERIOD);
                if (heap.get(i) != expected) {
                    assertThat(heap.get(i)).as("byte %d", i).isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void refusesRangesOutsideATensorWithoutTouchingTheBuffer() throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(small())) {
            TensorInfo a = file.tensors().get("a");
            ByteBuffer three = littleEndian(3);
            for (long first : new long[] {8, 11, -1, Long.MAX_VALUE, Long.MIN_VALUE}) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> file.read(a, first, three))
                        .withMessage("tensor a of shape [10] has 10 bytes, asked for 3 from " + first);
                assertThatIllegalArgumentException().isThrownBy(() -> file.map(a, first, 3));
            }
            assertThat(three.position()).isZero();
            assertThatIllegalArgumentException().isThrownBy(() -> file.map(a, 0, -1));
        }
    }

    @Test
    void refusesTensorsOfOtherFiles() throws IOException {
        TensorInfo other = new TensorInfo("a", TensorType.U8, List.of(10L), 9, 10);
        try (SafetensorsFile file = SafetensorsFile.open(small())) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> file.read(other, 0, littleEndian(1)))
                    .withMessageContainingAll("tensor a at position 9", "small.safetensors");
            assertThatIllegalArgumentException().isThrownBy(() -> file.map(other, 0, 1));
            assertThatIllegalArgumentException().isThrownBy(() -> file.stream(other));
        }
    }

    @Test
    void mapsARangeReadOnlyAndLittleEndianBeyondTheLifeOfTheFile() throws IOException {
        MappedByteBuffer mapped;
        try (SafetensorsFile file = SafetensorsFile.open(small())) {
            mapped = file.map(file.tensors().get("b"), 4, 8);
            assertThat(file.map(file.tensors().get("b"), 20, 0).remaining()).isZero();
        }
        assertThat(mapped.isReadOnly()).isTrue();
        assertThat(mapped.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
        assertThat(array(mapped)).containsExactly(14, 15, 16, 17, 18, 19, 20, 21);
        assertThat(mapped.getInt(0)).isEqualTo(0x11100f0e);
    }

    @Test
    void streamsATensorToItsEndAndNoFurther() throws IOException {
        try (SafetensorsFile file = SafetensorsFile.open(small());
                ReadableByteChannel channel = file.stream(file.tensors().get("a"))) {
            ByteBuffer buffer = littleEndian(7);
            assertThat(channel.read(buffer)).isEqualTo(7);
            assertThat(channel.read(buffer)).isZero();
            assertThat(array(buffer.clear())).containsExactly(0, 1, 2, 3, 4, 5, 6);
            assertThat(channel.read(buffer)).isEqualTo(3);
            assertThat(buffer.limit()).isEqualTo(7);
            assertThat(array(buffer.flip())).containsExactly(7, 8, 9);
            assertThat(channel.read(buffer.clear())).isEqualTo(-1);
            channel.close();
            assertThat(channel.isOpen()).isFalse();
            assertThatExceptionOfType(ClosedChannelException.class).isThrownBy(() -> channel.read(buffer));
            file.read(file.tensors().get("a"), 0, buffer);
        }
    }

    @Test
    void aFileThatShrinksWhileOpenIsAFaultWithNumbers() throws IOException {
        Path path = small();
        try (SafetensorsFile file = SafetensorsFile.open(path);
                RandomAccessFile writer = new RandomAccessFile(path.toFile(), "rw")) {
            writer.setLength(writer.length() - 3);
            assertThatExceptionOfType(SafetensorsException.class)
                    .isThrownBy(() -> file.read(file.tensors().get("b"), 0, littleEndian(20)))
                    .withMessageContainingAll("small.safetensors", "ended at byte " + writer.length(), "3 bytes more");
        }
    }

    @Test
    void aMissingFileIsNamed() {
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> SafetensorsFile.open(temp.resolve("none")))
                .withMessageContaining("none");
    }

    @Test
    void afterClosingNothingIsRead() throws IOException {
        SafetensorsFile file = SafetensorsFile.open(small());
        file.close();
        assertThatExceptionOfType(ClosedChannelException.class)
                .isThrownBy(() -> file.read(file.tensors().get("a"), 0, littleEndian(1)));
    }

    /** A sparse file: 3 GiB of uint8 and 5 GiB of bfloat16, of which a few bytes are written. */
    @Test
    void tensorsOverTwoGibibytesAreReadAtTheirEnds() throws IOException {
        long bytes = 3 * GIB;
        long halves = 5 * GIB / 2;
        String header = "{" + entry("bytes", "U8", "[3," + GIB + "]", 0, bytes) + ","
                + entry("halves", "BF16", "[" + halves + "]", bytes, bytes + 2 * halves) + "}";
        byte[] head = bytes(header, 0);
        try (RandomAccessFile sparse =
                new RandomAccessFile(temp.resolve("model.safetensors").toFile(), "rw")) {
            sparse.write(head);
            sparse.seek(head.length + bytes - 2);
            sparse.write(new byte[] {5, 6});
            sparse.seek(head.length + bytes + 2 * halves - 4);
            sparse.write(new byte[] {(byte) 0x80, 0x3f, 0, (byte) 0xc0}); // 1 and -2
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp);
                SafetensorsFile file = SafetensorsFile.open(temp.resolve("model.safetensors"))) {
            assertThat(folder.bytes()).isEqualTo(8 * GIB);
            assertThat(folder.tensors().get("halves").elements()).isEqualTo(halves);
            TensorInfo last = file.tensors().get("halves");
            ByteBuffer buffer = littleEndian(3);
            file.read(file.tensors().get("bytes"), bytes - 3, buffer);
            assertThat(array(buffer.flip())).containsExactly(0, 5, 6);
            assertThat(array(file.map(last, 2 * halves - 4, 4))).containsExactly(-128, 63, 0, -64);
            FloatBuffer floats = CheckpointFiles.directFloats(3);
            folder.readFloats("halves", halves - 3, floats);
            assertThat(array(floats.flip())).containsExactly(0, 1, -2);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> folder.readFloats("halves", halves - 2, floats))
                    .withMessageContainingAll(halves + " elements", "asked for 3 from " + (halves - 2));
        }
    }

    @Test
    void manyThreadsReadAtOnce() throws Exception {
        Path golden = CheckpointFiles.golden("mixtral-a/bf16-sharded");
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (SafetensorsFolder folder = SafetensorsFolder.open(golden)) {
            String name = "model.embed_tokens.weight";
            float[] expected = CheckpointFiles.read(folder, name);
            List<Future<Void>> results = new ArrayList<>();
            for (int thread = 0; thread < 4; thread++) {
                int first = thread;
                results.add(threads.submit(() -> {
                    for (int i = first; i < expected.length; i += 37) {
                        FloatBuffer one = CheckpointFiles.directFloats(1);
                        folder.readFloats(name, i, one);
                        assertThat(one.get(0)).isEqualTo(expected[i]);
                    }
                    return null;
                }));
            }
            for (Future<Void> result : results) {
                result.get();
            }
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void theHeaderIsReadAsUtf8() throws IOException {
        String header = "{" + entry("gewicht.größe.层", "U8", "[1]", 0, 1) + "}";
        Path path = Files.write(temp.resolve("x"), bytes(header.getBytes(StandardCharsets.UTF_8), 1));
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThat(file.tensors()).containsOnlyKeys("gewicht.größe.层");
            assertThat(file.path()).isEqualTo(path);
        }
    }
}
