package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.array;
import static ai.molae.djl.safetensors.CheckpointFiles.directFloats;
import static ai.molae.djl.safetensors.CheckpointFiles.floats;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** 8-bit weights with a scale for each block, as DeepSeek-V3 is published. */
class BlockScalesTest {

    /** F8_E4M3 of 1, 1.5 and -2. */
    private static final byte[] PATTERN = {0x38, 0x3c, (byte) 0xc0};

    private static final float[] MEANING = {1, 1.5f, -2};

    @TempDir
    private Path temp;

    private void write(TensorSpec... tensors) throws IOException {
        try (SafetensorsWriter writer = SafetensorsWriter.create(temp, List.of(tensors), Map.of(), 0)) {
            for (TensorSpec tensor : tensors) {
                int count = (int) tensor.elements();
                if (tensor.type() == TensorType.F8_E4M3) {
                    ByteBuffer bytes = ByteBuffer.allocate(count);
                    for (int i = 0; i < count; i++) {
                        bytes.put(PATTERN[i % 3]);
                    }
                    writer.writeRaw(tensor.name(), bytes.flip());
                } else {
                    float[] scales = new float[count];
                    for (int i = 0; i < count; i++) {
                        scales[i] = 1 + i;
                    }
                    writer.write(tensor.name(), floats(scales));
                }
            }
            writer.finish();
        }
    }

    private static TensorSpec weight(long... shape) {
        return TensorSpec.of("x.weight", TensorType.F8_E4M3, shape);
    }

    private static TensorSpec scale(long... shape) {
        return TensorSpec.of("x.weight_scale_inv", TensorType.F32, shape);
    }

    /** The definition: w[r][c] · s[r / blockRows][c / blockColumns]. */
    private static float[] expected(int rows, int columns, int blockRows, int blockColumns) {
        float[] values = new float[rows * columns];
        int scaleColumns = (columns + blockColumns - 1) / blockColumns;
        for (int i = 0; i < values.length; i++) {
            int scale = i / columns / blockRows * scaleColumns + i % columns / blockColumns;
            values[i] = MEANING[i % 3] * (1 + scale);
        }
        return values;
    }

    /** The scales [2, 2] of a 3 x 5 weight in blocks of 2 x 3: rows 1 1 1 2 2, 1 1 1 2 2, 3 3 3 4 4. */
    @Test
    void everyBlockIsMultipliedByItsScale() throws IOException {
        write(weight(3, 5), scale(2, 2));
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp, 2, 3)) {
            assertThat(CheckpointFiles.read(folder, "x.weight"))
                    .containsExactly(1, 1.5f, -2, 2, 3, -2, 1, 1.5f, -4, 2, 4.5f, -6, 3, 6, -8);
            assertThat(CheckpointFiles.read(folder, "x.weight_scale_inv")).containsExactly(1, 2, 3, 4);
            ByteBuffer raw = ByteBuffer.allocateDirect(2);
            folder.read("x.weight", 1, raw);
            assertThat(array(raw.flip())).containsExactly(PATTERN[1], PATTERN[2]);
        }
    }

    @ParameterizedTest
    @CsvSource({"3, 5, 2, 3", "4, 6, 2, 3", "1, 1, 128, 128", "7, 3, 1, 1", "5, 8, 5, 8", "5, 8, 1, 8", "5, 8, 5, 1"})
    void everyRangeIsScaledAsTheWhole(int rows, int columns, int blockRows, int blockColumns) throws IOException {
        write(
                weight(rows, columns),
                scale((rows + blockRows - 1) / blockRows, (columns + blockColumns - 1) / blockColumns));
        float[] whole = expected(rows, columns, blockRows, blockColumns);
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp, blockRows, blockColumns)) {
            for (int first = 0; first <= whole.length; first++) {
                for (int end = first; end <= whole.length; end++) {
                    FloatBuffer part = directFloats(end - first);
                    folder.readFloats("x.weight", first, part);
                    assertThat(array(part.flip())).isEqualTo(Arrays.copyOfRange(whole, first, end));
                }
            }
        }
    }

    /** More than a chunk of weights and more than a piece of scales, and rows longer than either. */
    @ParameterizedTest
    @CsvSource({"1300, 4001, 128, 128", "4001, 1300, 3, 5", "2, 2300000, 1, 128", "2, 100000, 2, 1"})
    void largeWeightsAreScaledAcrossChunks(int rows, int columns, int blockRows, int blockColumns) throws IOException {
        write(
                weight(rows, columns),
                scale((rows + blockRows - 1) / blockRows, (columns + blockColumns - 1) / blockColumns));
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp, blockRows, blockColumns)) {
            float[] actual = CheckpointFiles.read(folder, "x.weight");
            assertThat(Arrays.equals(actual, expected(rows, columns, blockRows, blockColumns)))
                    .isTrue();
        }
    }

    @Test
    void blocksAre128By128WhereNothingElseIsSaid() throws IOException {
        write(weight(129, 257), scale(2, 3));
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(CheckpointFiles.read(folder, "x.weight")).isEqualTo(expected(129, 257, 128, 128));
        }
    }

    @Test
    void aScaleIsKnownAsOneOnlyBesideAn8BitWeight() throws IOException {
        write(
                weight(2, 2),
                scale(1, 1),
                TensorSpec.of("y.weight", TensorType.BF16, 1),
                TensorSpec.of("y.weight_scale_inv", TensorType.F32, 1),
                TensorSpec.of("z.weight_scale_inv", TensorType.F32, 1),
                TensorSpec.of("u.bias", TensorType.F8_E4M3, 1),
                TensorSpec.of("u.bias_scale_inv", TensorType.F32, 1));
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(folder.tensors().keySet().stream().filter(folder::isScale))
                    .containsExactly("x.weight_scale_inv");
            assertThat(folder.isScale("nothing.weight_scale_inv")).isFalse();
            assertThat(CheckpointFiles.read(folder, "u.bias")).containsExactly(1);
        }
    }

    @Test
    void an8BitWeightWithoutScalesIsReadAsItIs() throws IOException {
        write(weight(1, 3));
        try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
            assertThat(CheckpointFiles.read(folder, "x.weight")).isEqualTo(MEANING);
        }
    }

    private void assertRefused(String... parts) {
        assertThatExceptionOfType(SafetensorsException.class)
                .isThrownBy(() -> SafetensorsFolder.open(temp).close())
                .withMessageStartingWith(temp.toString())
                .withMessageContainingAll(parts);
    }

    @Test
    void scalesOfAnotherShapeOrTypeAreRefused() throws IOException {
        write(weight(200, 100), scale(1, 2));
        assertRefused("x.weight_scale_inv of F32 [1, 2]", "x.weight of [200, 100]", "128 x 128 need F32 [2, 1]");
        write(weight(200, 100), scale(2));
        assertRefused("F32 [2]", "need F32 [2, 1]");
        write(weight(2, 2), TensorSpec.of("x.weight_scale_inv", TensorType.BF16, 1, 1));
        assertRefused("of BF16 [1, 1]", "need F32 [1, 1]");
        write(weight(2, 2, 2), scale(1, 1, 1));
        assertRefused("x.weight of [2, 2, 2], which is no matrix");
    }

    @Test
    void blocksHaveAtLeastOneRowAndColumn() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SafetensorsFolder.open(temp, 0, 128))
                .withMessageContaining("0 x 128");
        assertThatIllegalArgumentException().isThrownBy(() -> SafetensorsFolder.open(temp, 128, -1));
    }
}
