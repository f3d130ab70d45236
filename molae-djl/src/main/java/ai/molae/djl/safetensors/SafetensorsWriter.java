package ai.molae.djl.safetensors;

import ai.molae.djl.safetensors.PartFiles.Opener;
import ai.molae.djl.safetensors.ShardPlan.Shard;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;

/**
 * Writes a checkpoint folder, as data comes:
 *
 * <pre>{@code
 * try (SafetensorsWriter writer = SafetensorsWriter.create(folder, tensors, Map.of("format", "pt"), 5_000_000_000L)) {
 *     writer.write("model.embed_tokens.weight", rows);         // any number of times for each tensor, tensors as declared
 *     ...
 *     writer.finish();
 * }
 * }</pre>
 *
 * <p>Files are written beside what is there, as {@code *.part}, and take their places in {@link #finish}; closed before, the writer leaves
 * nothing behind and has changed nothing. It uses 4 MB of native memory. For one thread; one process at a time may save into a folder.
 */
public final class SafetensorsWriter implements AutoCloseable {

    private enum State {
        OPEN,
        FAILED,
        FINISHED,
        CLOSED
    }

    private final ShardPlan plan;
    private final Map<String, String> metadata;
    private final List<TensorSpec> tensors;
    private final Map<String, Integer> indexOf;
    private final PartFiles files;
    private final ShardWriter output;

    private State state = State.OPEN;
    /** The tensor being written. */
    private int current;
    /** How much of it there is. */
    private long currentBytes;
    /** How many shards are begun. */
    private int begunShards;
    /** How many tensors are in them. */
    private int begunTensors;

    private SafetensorsWriter(
            List<TensorSpec> tensors,
            Map<String, Integer> indexOf,
            Map<String, String> metadata,
            ShardPlan plan,
            PartFiles files,
            Opener opener) {
        this.tensors = tensors;
        this.indexOf = indexOf;
        this.metadata = metadata;
        this.plan = plan;
        this.files = files;
        this.output = new ShardWriter(files, opener);
    }

    /**
     * Begins a checkpoint.
     *
     * @param folder where; created if absent
     * @param tensors what will be written, in this order
     * @param metadata {@code __metadata__} of every file; may be empty. Hugging Face's loader asks for {@code "format": "pt"}
     * @param maxShardBytes 0 for one file {@code model.safetensors}; else tensors are put into {@code model-00001-of-0000n.safetensors}
     *     in order, a new one whenever the next tensor's data does not fit, with an index; one file if all fit in it
     * @return a writer, the caller's to close
     * @throws IllegalArgumentException if two tensors have one name, a text is not well-formed, a size is negative, or a header would be
     *     longer than the format allows
     * @throws SafetensorsException if there is not space enough
     * @throws IOException if the folder cannot be made
     */
    public static SafetensorsWriter create(
            Path folder, List<TensorSpec> tensors, Map<String, String> metadata, long maxShardBytes)
            throws IOException {
        return create(folder, tensors, metadata, maxShardBytes, Opener::createNew);
    }

    static SafetensorsWriter create(
            Path folder, List<TensorSpec> tensors, Map<String, String> metadata, long maxShardBytes, Opener opener)
            throws IOException {
        if (maxShardBytes < 0) {
            throw new IllegalArgumentException(
                    "maxShardBytes must be positive, or 0 for one file, got " + maxShardBytes);
        }
        Map<String, Integer> indexOf = new HashMap<>();
        for (TensorSpec tensor : tensors) {
            int index = indexOf.size();
            Integer other = indexOf.put(tensor.name(), index);
            if (other != null) {
                throw new IllegalArgumentException("tensors " + other + " and " + index + " have the same name "
                        + TensorSpec.shown(tensor.name()));
            }
        }
        metadata.forEach((key, value) -> {
            TensorSpec.checkText("a key of the metadata", key);
            TensorSpec.checkText("the metadata of " + TensorSpec.shown(key), value);
        });
        Map<String, String> ownMetadata = new LinkedHashMap<>(metadata);
        ShardPlan plan = ShardPlan.of(tensors, maxShardBytes);
        for (Shard shard : plan.shards()) {
            Header.bytes(shard.tensors(), ownMetadata); // refuses one that is too long before there is a file
        }
        PartFiles files = new PartFiles(folder);
        try {
            checkSpace(folder, plan.bytes());
            return new SafetensorsWriter(List.copyOf(tensors), indexOf, ownMetadata, plan, files, opener);
        } catch (Throwable e) {
            files.discard();
            throw e;
        }
    }

    private static void checkSpace(Path folder, long bytes) throws IOException {
        long usable = Files.getFileStore(folder).getUsableSpace();
        // some file systems do not know, and say 0
        if (usable > 0 && usable < bytes) {
            throw new SafetensorsException(
                    folder, "there is space for " + usable + " bytes, the tensors have " + bytes);
        }
    }

    /**
     * Writes the next numbers of a tensor, as its type; see {@link FloatCodec}.
     *
     * @param name the tensor: the one being written, or the next
     * @param values read to its limit
     * @throws IllegalArgumentException if there is no such tensor, it is not its turn, there are more numbers than it has room for, or its
     *     type is none of F32, BF16 and F16; nothing is written then
     * @throws IllegalStateException if the writer is finished or closed, or has failed
     * @throws IOException if writing fails; the writer is of no use then
     */
    public void write(String name, FloatBuffer values) throws IOException {
        TensorSpec tensor = tensor(name);
        FloatCodec.checkEncodes(tensor.type());
        int elementBytes = tensor.type().bytes();
        advance(name, tensor, (long) values.remaining() * elementBytes);
        int limit = values.limit();
        while (values.hasRemaining()) {
            ByteBuffer room = output.room(elementBytes);
            values.limit(values.position() + Math.min(values.remaining(), room.remaining() / elementBytes));
            FloatCodec.encode(values, tensor.type(), room);
            values.limit(limit);
        }
        state = State.OPEN;
    }

    /**
     * Writes the next bytes of a tensor as they are.
     *
     * @param name the tensor: the one being written, or the next
     * @param bytes little-endian; read to its limit
     * @throws IllegalArgumentException if there is no such tensor, it is not its turn, or there are more bytes than it has room for;
     *     nothing is written then
     * @throws IllegalStateException if the writer is finished or closed, or has failed
     * @throws IOException if writing fails; the writer is of no use then
     */
    public void writeRaw(String name, ByteBuffer bytes) throws IOException {
        advance(name, tensor(name), bytes.remaining());
        while (bytes.hasRemaining()) {
            output.put(bytes);
        }
        state = State.OPEN;
    }

    private TensorSpec tensor(String name) {
        Integer index = indexOf.get(name);
        if (index == null) {
            throw new IllegalArgumentException(
                    "tensor " + TensorSpec.shown(name) + " is none of the " + tensors.size() + " that were declared");
        }
        return tensors.get(index);
    }

    /** Checks that bytes may follow, and makes the tensor the current one. Until they are written the state is FAILED. */
    private void advance(String name, TensorSpec tensor, long bytes) throws IOException {
        checkOpen();
        int index = Objects.requireNonNull(indexOf.get(name));
        int unfinished = firstUnfinished();
        if (unfinished < index) {
            throw new IllegalArgumentException(
                    "it is not the turn of tensor " + TensorSpec.shown(name) + " yet: " + progress(unfinished));
        }
        long written = index < current ? tensor.bytes() : index == current ? currentBytes : 0;
        if (bytes > tensor.bytes() - written) {
            throw new IllegalArgumentException("tensor " + TensorSpec.shown(name) + " of " + tensor.type() + " "
                    + tensor.shape() + " has room for " + (tensor.bytes() - written) + " of its " + tensor.bytes()
                    + " bytes, got " + bytes);
        }
        state = State.FAILED;
        if (index > current) {
            current = index;
            currentBytes = 0;
        }
        currentBytes += bytes;
        while (begunTensors <= index) {
            beginShard();
        }
    }

    private void beginShard() throws IOException {
        Shard shard = plan.shards().get(begunShards);
        output.begin(shard.fileName(), Header.bytes(shard.tensors(), metadata));
        begunShards++;
        begunTensors += shard.tensors().size();
    }

    /** The number of the first tensor that lacks bytes, or how many tensors there are. */
    private int firstUnfinished() {
        int index = current;
        while (index < tensors.size() && written(index) == tensors.get(index).bytes()) {
            index++;
        }
        return index;
    }

    private long written(int index) {
        return index == current ? currentBytes : 0;
    }

    private String progress(int index) {
        TensorSpec tensor = tensors.get(index);
        return "tensor " + TensorSpec.shown(tensor.name()) + ", number " + index + " of " + tensors.size() + ", has "
                + written(index) + " of its " + tensor.bytes() + " bytes";
    }

    private void checkOpen() {
        if (state != State.OPEN) {
            throw new IllegalStateException("the writer is " + state.name().toLowerCase(Locale.ROOT)
                    + (state == State.FAILED ? ", see the exception before; write the checkpoint anew" : ""));
        }
    }

    /**
     * Brings everything to the disk, then gives every file its name, the index last, then removes {@code model*.safetensors} files and
     * the index of an earlier save that are no part of this one. A single file takes the place of another in one step. Of several, if the
     * machine stops in between, new and old ones may stand side by side, but then without an index, so that nobody takes them for one.
     *
     * @throws IllegalStateException if a tensor is not complete, or the writer is finished or closed, or has failed
     * @throws IOException if writing fails, or a file cannot take its place
     */
    public void finish() throws IOException {
        checkOpen();
        int unfinished = firstUnfinished();
        if (unfinished < tensors.size()) {
            throw new IllegalStateException("the checkpoint is not complete: " + progress(unfinished));
        }
        state = State.FAILED;
        while (begunShards < plan.shards().size()) {
            beginShard();
        }
        if (plan.hasIndex()) {
            output.begin(ShardIndex.FILE_NAME, plan.index().getBytes(StandardCharsets.UTF_8));
        }
        output.end();
        files.commit();
        state = State.FINISHED;
    }

    /** Ends writing. Unless {@link #finish} has succeeded, what was written is removed. */
    @Override
    public void close() throws IOException {
        if (state != State.FINISHED) {
            state = State.CLOSED;
            try {
                output.close();
            } finally {
                files.discard();
            }
        }
    }
}
