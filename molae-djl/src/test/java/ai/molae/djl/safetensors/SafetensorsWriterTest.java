package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.array;
import static ai.molae.djl.safetensors.CheckpointFiles.contents;
import static ai.molae.djl.safetensors.CheckpointFiles.floats;
import static ai.molae.djl.safetensors.CheckpointFiles.read;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is written, and what the writer refuses. */
class SafetensorsWriterTest {

    private static final TensorSpec A = TensorSpec.of("a", TensorType.F32, 2, 2);
    private static final TensorSpec B = TensorSpec.of("b", TensorType.BF16, 3);
    private static final TensorSpec EMPTY = TensorSpec.of("empty", TensorType.F32, 0, 7);

    @TempDir
    private Path temp;

    private SafetensorsWriter writer(long maxShardBytes, TensorSpec... tensors) throws IOException {
        return SafetensorsWriter.create(temp, List.of(tensors), Map.of(), maxShardBytes);
    }

    /** 8 bytes of length, the header as Hugging Face's library writes it, 4 spaces up to a multiple of 8, the numbers. */
    @Test
    void aFileIsWhatTheFormatSaysByteForByte() throws IOException {
        try (SafetensorsWriter writer = SafetensorsWriter.create(temp, List.of(A, B), Map.of("format", "pt"), 0)) {
            writer.write("a", floats(1, 2, 3, 4));
            writer.write("b", floats(1, -2, 0));
            writer.finish();
        }
        String header = "{\"__metadata__\":{\"format\":\"pt\"},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                + "\"b\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[16,22]}}";
        int padding = 7 - (header.length() + 7) % 8;
        assertThat(contents(temp))
                .containsExactly(Map.entry(
                        "model.safetensors",
                        (char) (header.length() + padding) + "\0\0\0\0\0\0\0" + header + " ".repeat(padding)
                                + "\0\0\u0080?" + "\0\0\0@" + "\0\0@@" + "\0\0\u0080@"
                                + "\u0080?" + "\0\u00c0" + "\0\0"));
    }

    @Test
    void dataBeginsAtAMultipleOf8WhateverTheHeader() throws IOException {
        for (int length = 1; length < 20; length++) {
            byte[] header = Header.bytes(List.of(TensorSpec.of("n".repeat(length), TensorType.U8, 1)), Map.of());
            assertThat(header.length % 8).isZero();
        }
    }

    @Test
    void tensorsComeInAnyNumberOfPiecesAndKinds() throws IOException {
        TensorSpec raw = TensorSpec.of("raw", TensorType.I32, 2);
        TensorSpec half = TensorSpec.of("half", TensorType.F16, 2);
        try (SafetensorsWriter writer = writer(0, A, EMPTY, raw, half)) {
            FloatBuffer three = floats(9, 1, 2, 3, 9);
            writer.write("a", three.position(1).limit(4));
            assertThat(three.position()).isEqualTo(4);
            assertThat(three.limit()).isEqualTo(4);
            writer.write("a", floats());
            writer.writeRaw("a", ByteBuffer.wrap(new byte[] {0, 0}));
            writer.writeRaw("a", ByteBuffer.wrap(new byte[] {(byte) 0x80, 0x40}));
            writer.write("a", floats());
            writer.writeRaw("raw", ByteBuffer.wrap(new byte[] {1, 0, 0, 0, 2, 0, 0, 0}));
            writer.write("half", FloatBuffer.wrap(new float[] {0.5f, 1e6f}));
            writer.write("empty", floats());
            writer.finish();
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors().keySet()).containsExactly("a", "empty", "raw", "half");
            assertThat(read(folder, "a")).containsExactly(1, 2, 3, 4);
            assertThat(read(folder, "empty")).isEmpty();
            assertThat(read(folder, "raw")).containsExactly(1, 2);
            assertThat(read(folder, "half")).containsExactly(0.5f, Float.POSITIVE_INFINITY);
        }
    }

    @Test
    void aTensorLargerThanTheWritersMemoryIsWrittenWhole() throws IOException {
        int elements = 2_500_007;
        float[] values = CheckpointFiles.sequence(elements);
        TensorSpec large = TensorSpec.of("large", TensorType.F32, elements);
        try (SafetensorsWriter writer = writer(0, B, large, A)) {
            writer.write("b", floats(1, 2, 3));
            writer.write("large", floats(values));
            writer.write("a", floats(1, 2, 3, 4));
            writer.finish();
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(Arrays.equals(read(folder, "large"), values)).isTrue();
            assertThat(read(folder, "a")).containsExactly(1, 2, 3, 4);
            ByteBuffer raw = ByteBuffer.allocateDirect(4 * elements);
            folder.read("large", 0, raw);
            try (SafetensorsWriter writer = writer(0, large)) {
                writer.writeRaw("large", raw.flip());
                writer.finish();
            }
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(Arrays.equals(read(folder, "large"), values)).isTrue();
        }
    }

    @Test
    void metadataIsKeptWithEveryCharacter() throws IOException {
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put("z", "\"<\\/>\" \u2028 \u0001 é 层 \ud83d\ude00");
        metadata.put("a", "");
        TensorSpec odd = TensorSpec.of("\"\n层", TensorType.U8, 0);
        try (SafetensorsWriter writer = SafetensorsWriter.create(temp, List.of(odd), metadata, 0)) {
            writer.finish();
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.metadata()).containsExactlyEntriesOf(metadata);
            assertThat(folder.tensors()).containsOnlyKeys("\"\n层");
        }
    }

    /** Data of 16, 6, 16 and 16 bytes in shards of 24. */
    @Test
    void shardsAreFilledInOrderAndIndexed() throws IOException {
        TensorSpec c = TensorSpec.of("c", TensorType.F32, 4);
        TensorSpec first = TensorSpec.of("z", TensorType.F32, 4);
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(temp, List.of(first, B, A, c), Map.of("format", "pt"), 24)) {
            writer.write("z", floats(1, 2, 3, 4));
            writer.write("b", floats(5, 6, 7));
            writer.write("a", floats(8, 9, 10, 11));
            writer.write("c", floats(12, 13, 14, 15));
            writer.finish();
        }
        assertThat(contents(temp).get(ShardIndex.FILE_NAME))
                .isEqualTo(
                        """
                        {
                          "metadata": {
                            "total_size": 54
                          },
                          "weight_map": {
                            "a": "model-00002-of-00003.safetensors",
                            "b": "model-00001-of-00003.safetensors",
                            "c": "model-00003-of-00003.safetensors",
                            "z": "model-00001-of-00003.safetensors"
                          }
                        }
                        """);
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors().keySet()).containsExactly("z", "b", "a", "c");
            assertThat(read(folder, "b")).containsExactly(5, 6, 7);
            assertThat(read(folder, "c")).containsExactly(12, 13, 14, 15);
        }
        for (SafetensorsFile shard : Shards.open(temp)) {
            assertThat(shard.metadata()).isEqualTo(Map.of("format", "pt"));
            shard.close();
        }
    }

    private static List<Integer> shardSizes(long maxShardBytes, long... bytes) {
        List<TensorSpec> tensors = new ArrayList<>();
        for (long size : bytes) {
            tensors.add(TensorSpec.of("t" + tensors.size(), TensorType.U8, size));
        }
        return ShardPlan.of(tensors, maxShardBytes).shards().stream()
                .map(shard -> shard.tensors().size())
                .toList();
    }

    @Test
    void aShardEndsBeforeTheTensorThatDoesNotFit() {
        assertThat(shardSizes(10, 5, 5, 1)).as("full to the byte").containsExactly(2, 1);
        assertThat(shardSizes(10, 6, 5)).containsExactly(1, 1);
        assertThat(shardSizes(10, 3, 11, 3, 3)).as("one larger than a shard").containsExactly(1, 1, 2);
        assertThat(shardSizes(10, 11, 3)).as("at the beginning").containsExactly(1, 1);
        assertThat(shardSizes(10, 10, 0, 0, 1)).containsExactly(3, 1);
        assertThat(shardSizes(10, 3, 3)).containsExactly(2);
        assertThat(shardSizes(0, 100, 100)).containsExactly(2);
        assertThat(shardSizes(10)).containsExactly(0);
        assertThat(shardSizes(5_000_000_000L, 4_000_000_000L, 999_999_999, 2, Long.MAX_VALUE / 2))
                .containsExactly(2, 1, 1);
    }

    @Test
    void headersGiveOffsetsOverTwoGibibytes() throws IOException {
        List<TensorSpec> tensors =
                List.of(TensorSpec.of("a", TensorType.F32, 3, 1 << 30), TensorSpec.of("b", TensorType.F64, 1L << 40));
        String header = new String(Header.bytes(tensors, Map.of()), StandardCharsets.ISO_8859_1);
        assertThat(header).contains("[0,12884901888]", "[12884901888,8808977924096]");
        assertThat(ShardPlan.of(tensors, 1).index()).contains("\"total_size\": 8808977924096");
    }

    @Test
    void whatFitsInOneShardIsOneFileWithoutIndex() throws IOException {
        try (SafetensorsWriter writer = writer(1000, B)) {
            writer.write("b", floats(1, 2, 3));
            writer.finish();
        }
        assertThat(contents(temp)).containsOnlyKeys("model.safetensors");
    }

    @Test
    void aShardOfEmptyTensorsIsWrittenThoughNobodyWritesToIt() throws IOException {
        try (SafetensorsWriter writer = writer(4, EMPTY, A)) {
            writer.write("a", floats(1, 2, 3, 4));
            writer.finish();
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors().keySet()).containsExactly("empty", "a");
            assertThat(read(folder, "a")).containsExactly(1, 2, 3, 4);
        }
    }

    @Test
    void aCheckpointWithoutTensorsIsAFile() throws IOException {
        try (SafetensorsWriter writer = writer(0)) {
            writer.finish();
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors()).isEmpty();
        }
    }

    @Test
    void refusesWhatDoesNotFitTheDeclarationAndGoesOn() throws IOException {
        TensorSpec ints = TensorSpec.of("ints", TensorType.I32, 1);
        try (SafetensorsWriter writer = writer(0, A, B, ints)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.write("x", floats(1)))
                    .withMessage("tensor x is none of the 3 that were declared");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.write("b", floats(1)))
                    .withMessage("it is not the turn of tensor b yet: tensor a, number 0 of 3, has 0 of its 16 bytes");
            writer.write("a", floats(1));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.write("b", floats(1)))
                    .withMessageContaining("has 4 of its 16 bytes");
            FloatBuffer tooMany = floats(1, 2, 3, 4);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.write("a", tooMany))
                    .withMessage("tensor a of F32 [2, 2] has room for 12 of its 16 bytes, got 16");
            assertThat(tooMany.remaining()).isEqualTo(4);
            writer.write("a", floats(2, 3, 4));
            writer.write("b", floats(1, 2));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.writeRaw("a", ByteBuffer.allocate(1)))
                    .withMessageContaining("room for 0 of its 16 bytes, got 1");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.writeRaw("b", ByteBuffer.allocate(3)))
                    .withMessageContaining("room for 2 of its 6 bytes, got 3");
            assertThatIllegalStateException()
                    .isThrownBy(writer::finish)
                    .withMessage("the checkpoint is not complete: tensor b, number 1 of 3, has 4 of its 6 bytes");
            writer.write("b", floats(3));
            assertThatIllegalStateException()
                    .isThrownBy(writer::finish)
                    .withMessageContaining("tensor ints, number 2 of 3, has 0 of its 4 bytes");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.write("ints", floats(1)))
                    .withMessageContaining("F32, BF16 or F16, not as I32");
            writer.writeRaw("ints", ByteBuffer.allocate(4));
            writer.finish();
        }
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(read(folder, "a")).containsExactly(1, 2, 3, 4);
            assertThat(read(folder, "b")).containsExactly(1, 2, 3);
        }
    }

    @Test
    void afterTheEndNothingIsWritten() throws IOException {
        SafetensorsWriter writer = writer(0, EMPTY);
        writer.finish();
        assertThatIllegalStateException().isThrownBy(writer::finish).withMessage("the writer is finished");
        assertThatIllegalStateException().isThrownBy(() -> writer.write("empty", floats()));
        writer.close();
        writer.close();
        assertThat(contents(temp)).containsOnlyKeys("model.safetensors");
        SafetensorsWriter closed = writer(0, EMPTY);
        closed.close();
        assertThatIllegalStateException().isThrownBy(closed::finish).withMessage("the writer is closed");
    }

    @Test
    void refusesDeclarationsThatCannotBeWritten() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> writer(0, A, B, A).close())
                .withMessage("tensors 0 and 2 have the same name a");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> writer(-1, A).close())
                .withMessageContaining("got -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SafetensorsWriter.create(temp, List.of(A), Map.of("k", "\udc00"), 0)
                        .close())
                .withMessageContainingAll("the metadata of k", "Unicode");
        assertThatExceptionOfType(SafetensorsException.class)
                .isThrownBy(() ->
                        writer(0, TensorSpec.of("a", TensorType.U8, 1L << 60)).close())
                .withMessageContainingAll("there is space for", String.valueOf(1L << 60));
    }

    @Test
    void theBytesOfAHeapOrDirectBufferAreTheSame() throws IOException {
        byte[] bytes = {1, 2, 3, 4, 5, 6};
        for (ByteBuffer buffer : new ByteBuffer[] {
            ByteBuffer.wrap(bytes), ByteBuffer.allocateDirect(6).put(bytes).flip()
        }) {
            try (SafetensorsWriter writer = writer(0, B)) {
                writer.writeRaw("b", buffer);
                assertThat(buffer.remaining()).isZero();
                writer.finish();
            }
            try (SafetensorsFile file = SafetensorsFile.open(temp.resolve("model.safetensors"))) {
                assertThat(array(file.map(file.tensors().get("b"), 0, 6))).isEqualTo(bytes);
            }
        }
    }
}
