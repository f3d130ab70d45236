package ai.molae.djl.safetensors;

import ai.molae.djl.files.Disk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint folder as Hugging Face writes it, open for reading: the shards that {@code model.safetensors.index.json} names, or
 * {@code model.safetensors}, or the only {@code .safetensors} file there is.
 *
 * <p>With an index the folder is what the index says, even if there is a {@code model.safetensors} too (Hugging Face would take that one):
 * an index can be checked against its shards, and every tensor of every shard must stand in it exactly where it is.
 *
 * <p>8-bit weights {@code X.weight} of type F8_E4M3 with scales {@code X.weight_scale_inv}, as DeepSeek-V3 has them, are read as the product
 * of number and scale. Safe for concurrent use, as {@link SafetensorsFile} is.
 */
public final class SafetensorsFolder implements AutoCloseable {

    /** Rows and columns that share a scale where a model's configuration says nothing else. */
    public static final int DEFAULT_BLOCK = 128;

    private final Path folder;
    private final List<SafetensorsFile> files;
    private final Map<String, SafetensorsFile> fileOf = new LinkedHashMap<>();
    private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final int blockRows;
    private final int blockColumns;
    private final ScratchPool scratch = new ScratchPool();

    private SafetensorsFolder(Path folder, List<SafetensorsFile> files, int blockRows, int blockColumns) {
        this.folder = folder;
        this.files = files;
        this.blockRows = blockRows;
        this.blockColumns = blockColumns;
        for (SafetensorsFile file : files) {
            file.tensors().forEach((name, tensor) -> {
                tensors.put(name, tensor);
                fileOf.put(name, file);
            });
            file.metadata().forEach(metadata::putIfAbsent);
        }
    }

    /**
     * Opens a folder whose 8-bit weights, if any, have scales for blocks of 128 × 128.
     *
     * @param folder the folder
     * @return the open folder, the caller's to close
     * @throws SafetensorsException as {@link #open(Path, int, int)}
     * @throws IOException if a file cannot be read
     */
    public static SafetensorsFolder open(Path folder) throws IOException {
        return open(folder, DEFAULT_BLOCK, DEFAULT_BLOCK);
    }

    /**
     * Opens a folder.
     *
     * @param folder the folder
     * @param blockRows rows of an 8-bit weight that share a scale, the first number of a model's {@code weight_block_size}
     * @param blockColumns columns that do, the second number
     * @return the open folder, the caller's to close
     * @throws IllegalArgumentException if a block size is not positive
     * @throws SafetensorsException if there is no checkpoint or more than one, a shard is missing or faulty, index and shards disagree, or
     *     scales have another shape than the blocks
     * @throws IOException if a file cannot be read
     */
    public static SafetensorsFolder open(Path folder, int blockRows, int blockColumns) throws IOException {
        if (blockRows < 1 || blockColumns < 1) {
            throw new IllegalArgumentException(
                    "a block has at least 1 row and 1 column, got " + blockRows + " x " + blockColumns);
        }
        List<SafetensorsFile> files = Shards.open(folder);
        try {
            SafetensorsFolder opened = new SafetensorsFolder(folder, files, blockRows, blockColumns);
            opened.checkScales();
            return opened;
        } catch (Throwable e) {
            Shards.close(files);
            throw e;
        }
    }

    private void checkScales() throws SafetensorsException {
        for (TensorInfo weight : tensors.values()) {
            TensorInfo scales = scalesOf(weight);
            if (scales != null) {
                BlockScales.check(folder, scales, weight, blockRows, blockColumns);
            }
        }
    }

    private @Nullable TensorInfo scalesOf(TensorInfo weight) {
        boolean scalable = weight.type() == TensorType.F8_E4M3 && weight.name().endsWith(BlockScales.WEIGHT);
        return scalable ? tensors.get(scaleName(weight.name())) : null;
    }

    /**
     * The folder.
     *
     * @return as opened
     */
    public Path path() {
        return folder;
    }

    /**
     * The tensors of all shards by name, scales included.
     *
     * @return unmodifiable, shard by shard in the order of their data
     */
    public Map<String, TensorInfo> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    /**
     * The shards.
     *
     * @return the tensors of each file, in the order of their data; unmodifiable
     */
    public Map<Path, List<TensorInfo>> files() {
        Map<Path, List<TensorInfo>> byFile = new LinkedHashMap<>();
        files.forEach(file -> byFile.put(file.path(), List.copyOf(file.tensors().values())));
        return Collections.unmodifiableMap(byFile);
    }

    /**
     * The {@code __metadata__} of the shards together; where they differ, the first one's.
     *
     * @return unmodifiable
     */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /**
     * The size of all tensors as they stand in the files.
     *
     * @return bytes
     */
    public long bytes() {
        return tensors.values().stream().mapToLong(TensorInfo::bytes).sum();
    }

    /**
     * Makes a checkpoint of files that are in a folder already: writes their index, forced to the disk.
     *
     * @param folder the folder
     * @param files safetensors files in it, of different tensors
     * @throws SafetensorsException if a file is faulty
     * @throws IOException if one cannot be read, or writing fails
     */
    public static void writeIndex(Path folder, List<Path> files) throws IOException {
        Map<String, String> fileOf = new LinkedHashMap<>();
        long bytes = 0;
        for (Path path : files) {
            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                for (TensorInfo tensor : file.tensors().values()) {
                    fileOf.put(tensor.name(), path.getFileName().toString());
                    bytes += tensor.bytes();
                }
            }
        }
        Path index = folder.resolve(ShardIndex.FILE_NAME);
        Files.writeString(index, ShardIndex.text(bytes, fileOf));
        Disk.force(index);
    }

    /**
     * Where the scales of a weight of 8-bit floats stand.
     *
     * @param weight the weight's name
     * @return the name of the tensor with its scales
     */
    public static String scaleName(String weight) {
        return weight + BlockScales.SCALE;
    }

    /**
     * Whether a tensor only holds the scales of another, which {@link #readFloats} applies.
     *
     * @param name the name of a tensor
     * @return true for {@code X.weight_scale_inv} beside an {@code X.weight} of type F8_E4M3
     */
    public boolean isScale(String name) {
        if (!tensors.containsKey(name) || !name.endsWith(BlockScales.WEIGHT + BlockScales.SCALE)) {
            return false;
        }
        TensorInfo weight = tensors.get(name.substring(0, name.length() - BlockScales.SCALE.length()));
        return weight != null && weight.type() == TensorType.F8_E4M3;
    }

    /**
     * Reads a part of a tensor as float32, see {@link FloatCodec}, scales applied. Uses 4 MB of native memory for each thread that reads (8 MB
     * with scales), whatever the size of the tensor.
     *
     * @param name the tensor
     * @param firstElement where to begin, in the order of the data
     * @param into filled from its position to its limit
     * @throws IllegalArgumentException if the tensor has fewer elements
     * @throws SafetensorsException if there is no such tensor
     * @throws IOException if reading fails
     */
    public void readFloats(String name, long firstElement, FloatBuffer into) throws IOException {
        TensorInfo tensor = tensor(name);
        tensor.checkRange(firstElement, into.remaining(), tensor.elements(), "elements");
        SafetensorsFile file = file(name);
        TensorInfo scaled = scalesOf(tensor);
        int elementBytes = tensor.type().bytes();
        ByteBuffer chunk = scratch.take();
        try (BlockScales scales = scaled == null
                ? null
                : new BlockScales(file(scaled.name()), scaled, tensor, blockRows, blockColumns, scratch)) {
            long element = firstElement;
            while (into.hasRemaining()) {
                int count = Math.min(into.remaining(), ScratchPool.BYTES / elementBytes);
                file.read(tensor, element * elementBytes, chunk.clear().limit(count * elementBytes));
                FloatBuffer decoded = into.slice().limit(count);
                FloatCodec.decode(tensor.type(), chunk.flip(), into);
                if (scales != null) {
                    scales.apply(element, decoded);
                }
                element += count;
            }
        } finally {
            scratch.giveBack(chunk);
        }
    }

    /**
     * Reads a part of a tensor as it stands in the file, scales not applied.
     *
     * @param name the tensor
     * @param firstByte where to begin, from the tensor's first byte
     * @param into filled from its position to its limit
     * @throws IllegalArgumentException if the tensor has fewer bytes
     * @throws SafetensorsException if there is no such tensor
     * @throws IOException if reading fails
     */
    public void read(String name, long firstByte, ByteBuffer into) throws IOException {
        TensorInfo tensor = tensor(name);
        file(name).read(tensor, firstByte, into);
    }

    private TensorInfo tensor(String name) throws SafetensorsException {
        TensorInfo tensor = tensors.get(name);
        if (tensor == null) {
            throw new SafetensorsException(
                    folder, "there is no tensor " + TensorSpec.shown(name) + " among its " + tensors.size());
        }
        return tensor;
    }

    private SafetensorsFile file(String name) {
        return Objects.requireNonNull(fileOf.get(name));
    }

    /** Closes every file. */
    @Override
    public void close() throws IOException {
        Shards.close(files);
    }
}
