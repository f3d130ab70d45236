package ai.molae.djl.train;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.ArrayBytes;
import ai.molae.djl.torch.WeightSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Arrays as a folder of safetensors files and back into the same arrays, bit by bit, some megabytes at a time. */
final class ArrayFiles {

    private static final long SHARD_BYTES = 5_000_000_000L;

    private ArrayFiles() {}

    /** Writes the arrays; the folder is complete or not there. */
    static void save(Map<String, NDArray> arrays, Path folder) throws IOException {
        List<TensorSpec> tensors = new ArrayList<>();
        arrays.forEach((name, array) -> tensors.add(new TensorSpec(name, type(name, array), shape(array.getShape()))));
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(folder, tensors, Map.of("format", "pt"), SHARD_BYTES)) {
            for (Map.Entry<String, NDArray> entry : arrays.entrySet()) {
                NDArray array = entry.getValue();
                ArrayBytes.forEachChunk(array, 0, array.size(), bytes -> writer.writeRaw(entry.getKey(), bytes));
            }
            writer.finish();
        }
    }

    /**
     * Reads a folder into arrays of the same names and shapes.
     *
     * @throws IllegalArgumentException if names, shapes or types differ; nothing was changed then
     * @throws IOException if reading fails
     */
    static void restore(Path folder, Map<String, NDArray> arrays) throws IOException {
        try (SafetensorsFolder files = SafetensorsFolder.open(folder)) {
            check(folder, files.tensors(), arrays);
            ByteBuffer buffer =
                    ByteBuffer.allocateDirect((int) WeightSource.CHUNK_BYTES).order(ByteOrder.nativeOrder());
            for (Map.Entry<String, NDArray> entry : arrays.entrySet()) {
                read(files, entry.getKey(), entry.getValue(), buffer);
            }
        }
    }

    private static void read(SafetensorsFolder files, String name, NDArray array, ByteBuffer buffer)
            throws IOException {
        DataType type = array.getDataType();
        int bytes = type(name, array).bytes();
        long most = buffer.capacity() / bytes;
        for (long done = 0; done < array.size(); done += most) {
            int count = (int) Math.min(most, array.size() - done);
            buffer.clear().limit(count * bytes);
            files.read(name, done * bytes, buffer);
            buffer.flip();
            try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
                NDArray values = scope.create(buffer.slice().order(ByteOrder.nativeOrder()), new Shape(count), type);
                WeightSource.assign(values, array, done);
            }
        }
    }

    private static void check(Path folder, Map<String, TensorInfo> found, Map<String, NDArray> arrays) {
        Set<String> missing = new TreeSet<>(arrays.keySet());
        missing.removeAll(found.keySet());
        Set<String> unexpected = new TreeSet<>(found.keySet());
        unexpected.removeAll(arrays.keySet());
        List<String> different = new ArrayList<>();
        arrays.forEach((name, array) -> {
            TensorInfo info = found.get(name);
            if (info != null && !(info.shape().equals(shape(array.getShape())) && info.type() == type(name, array))) {
                different.add(name + " is " + info.type() + " " + info.shape() + " there, " + type(name, array) + " "
                        + array.getShape() + " here");
            }
        });
        if (!missing.isEmpty() || !unexpected.isEmpty() || !different.isEmpty()) {
            throw new IllegalArgumentException(folder + " does not hold the arrays of this run: missing " + missing
                    + ", unexpected " + unexpected + ", different " + different);
        }
    }

    private static TensorType type(String name, NDArray array) {
        return switch (array.getDataType()) {
            case FLOAT32 -> TensorType.F32;
            case FLOAT64 -> TensorType.F64;
            case INT64 -> TensorType.I64;
            case INT32 -> TensorType.I32;
            case INT8 -> TensorType.I8;
            case UINT8 -> TensorType.U8;
            default -> throw new IllegalArgumentException(
                    name + " is of type " + array.getDataType() + ", which a checkpoint has no place for");
        };
    }

    private static List<Long> shape(Shape shape) {
        return Arrays.stream(shape.getShape()).boxed().toList();
    }
}
