package ai.molae.djl.safetensors;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** DJL's own safetensors codec and ours read each other's files. BF16 and F8_E4M3 have no DJL array that can be looked into. */
class DjlCodecTest {

    @TempDir
    private Path temp;

    private static DataType djlType(TensorType type) {
        return DataType.fromSafetensors(type.safetensorsName());
    }

    /** Numbers that every type holds exactly. */
    private static NDArray numbers(NDManager manager, TensorType type) {
        return manager.create(new float[] {0, 1, 2, 3, 100, 127}, new Shape(2, 3))
                .toType(djlType(type), false);
    }

    private static float[] floats(NDArray array) {
        return array.toType(DataType.FLOAT32, false).toFloatArray();
    }

    private NDList decode(NDManager manager) throws IOException {
        try (InputStream in = Files.newInputStream(temp.resolve("model.safetensors"))) {
            return NDList.decode(manager, in);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "I64", "I32", "I8", "U8", "BOOL"})
    void weReadWhatDjlWrites(TensorType type) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray first = numbers(manager, type);
            first.setName("first");
            NDArray second = numbers(manager, TensorType.F32);
            second.setName("second");
            try (OutputStream out = Files.newOutputStream(temp.resolve("model.safetensors"))) {
                new NDList(first, second).encode(out, NDList.Encoding.SAFETENSORS);
            }
            try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
                TensorInfo info = folder.tensors().get("first");
                assertThat(info.type()).isEqualTo(type);
                assertThat(info.shape()).containsExactly(2L, 3L);
                assertThat(CheckpointFiles.read(folder, "first")).isEqualTo(floats(first));
                assertThat(CheckpointFiles.read(folder, "second")).containsExactly(0, 1, 2, 3, 100, 127);
                ByteBuffer raw = ByteBuffer.allocate((int) info.bytes());
                folder.read("first", 0, raw);
                assertThat(raw.array()).isEqualTo(CheckpointFiles.array(first.toByteBuffer()));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "I64", "I32", "I8", "U8", "BOOL"})
    void djlReadsWhatWeWrite(TensorType type) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray numbers = numbers(manager, type);
            List<TensorSpec> specs =
                    List.of(TensorSpec.of("first", type, 2, 3), TensorSpec.of("second", TensorType.F32, 2));
            try (SafetensorsWriter writer = SafetensorsWriter.create(temp, specs, Map.of("format", "pt"), 0)) {
                if (type == TensorType.F32 || type == TensorType.F16) {
                    writer.write("first", CheckpointFiles.floats(0, 1, 2, 3, 100, 127));
                } else {
                    writer.writeRaw("first", numbers.toByteBuffer());
                }
                writer.write("second", CheckpointFiles.floats(0.5f, -1));
                writer.finish();
            }
            NDList list = decode(manager);
            assertThat(list.get("first").getDataType()).isEqualTo(djlType(type));
            assertThat(list.get("first").getShape()).isEqualTo(new Shape(2, 3));
            assertThat(floats(list.get("first"))).isEqualTo(floats(numbers));
            assertThat(list.get("second").toFloatArray()).containsExactly(0.5f, -1);
        }
    }

    @Test
    void bothReadTheSameNumbersOfAGoldenCheckpoint() throws IOException {
        Path golden = CheckpointFiles.golden("olmoe-a");
        Files.copy(golden.resolve("model.safetensors"), temp.resolve("model.safetensors"));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafetensorsFolder folder = SafetensorsFolder.open(golden)) {
            NDList list = decode(manager);
            assertThat(list).hasSize(folder.tensors().size());
            for (NDArray array : list) {
                long[] shape = folder.tensors().get(array.getName()).shape().stream()
                        .flatMapToLong(LongStream::of)
                        .toArray();
                assertThat(array.getShape().getShape()).isEqualTo(shape);
                assertThat(CheckpointFiles.read(folder, array.getName())).isEqualTo(array.toFloatArray());
            }
        }
    }
}
