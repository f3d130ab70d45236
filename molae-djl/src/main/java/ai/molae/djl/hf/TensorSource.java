package ai.molae.djl.hf;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.torch.WeightSource;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

/** The tensors of a checkpoint as values of parameters, decoded through one buffer. Not thread-safe. */
final class TensorSource implements WeightSource {

    private final SafetensorsFolder tensors;
    private final Map<Parameter, TensorBinding> bindings;
    private final Consumer<Checkpoint.Progress> listener;
    private final long total;
    private final ByteBuffer buffer;
    /** How many elements of a parameter have been read; some are read twice. */
    private final Map<Parameter, Long> readOf = new HashMap<>();

    private long read;

    TensorSource(
            SafetensorsFolder tensors, Map<Parameter, TensorBinding> bindings, Consumer<Checkpoint.Progress> listener) {
        this.tensors = tensors;
        this.bindings = bindings;
        this.listener = listener;
        total = bindings.values().stream().mapToLong(TensorBinding::size).sum();
        long largest =
                bindings.values().stream().mapToLong(TensorBinding::size).max().orElse(0);
        int bytes = (int) Math.min(CHUNK_BYTES, largest * Float.BYTES);
        buffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    @Override
    public NDArray read(NDManager manager, Parameter parameter, long first, long count) {
        Shape row = parameter.getShape().slice(1);
        Shape shape = new Shape(count).addAll(row);
        long element = first * row.size();
        int most = buffer.capacity() / Float.BYTES;
        if (shape.size() <= most) {
            decode(parameter, element, (int) shape.size());
            return manager.create(buffer.slice().order(ByteOrder.nativeOrder()), shape, DataType.FLOAT32);
        }
        NDArray whole = manager.create(shape, DataType.FLOAT32);
        for (long done = 0; done < shape.size(); done += most) {
            int part = (int) Math.min(most, shape.size() - done);
            decode(parameter, element + done, part);
            try (NDArray values =
                    manager.create(buffer.slice().order(ByteOrder.nativeOrder()), new Shape(part), DataType.FLOAT32)) {
                WeightSource.assign(values, whole, done);
            }
        }
        return whole;
    }

    /** Fills the buffer with consecutive elements of a parameter. */
    private void decode(Parameter parameter, long firstElement, int count) {
        FloatBuffer floats = buffer.clear().limit(count * Float.BYTES).asFloatBuffer();
        List<Piece> pieces = Objects.requireNonNull(bindings.get(parameter)).pieces();
        try {
            for (int i = containing(pieces, firstElement); floats.hasRemaining(); i++) {
                Piece piece = pieces.get(i);
                long offset = firstElement + floats.position() - piece.firstElement();
                int part = (int) Math.min(floats.remaining(), piece.size() - offset);
                tensors.readFloats(piece.tensor(), offset, floats.slice().limit(part));
                floats.position(floats.position() + part);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        tell(parameter, firstElement + count);
    }

    private void tell(Parameter parameter, long end) {
        long before = readOf.getOrDefault(parameter, 0L);
        if (end > before) {
            readOf.put(parameter, end);
            read += end - before;
        }
        listener.accept(new Checkpoint.Progress(read, total));
    }

    /** Which piece has an element; they follow each other. */
    private static int containing(List<Piece> pieces, long element) {
        int low = 0;
        int high = pieces.size() - 1;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (pieces.get(middle).firstElement() <= element) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    /** Whether two tensors begin with the same bytes. */
    static boolean sameStart(SafetensorsFolder tensors, String one, String other) {
        TensorInfo a = Objects.requireNonNull(tensors.tensors().get(one));
        TensorInfo b = Objects.requireNonNull(tensors.tensors().get(other));
        int bytes = (int) Math.min(1 << 20, Math.min(a.bytes(), b.bytes()));
        try {
            ByteBuffer first = ByteBuffer.allocate(bytes);
            ByteBuffer second = ByteBuffer.allocate(bytes);
            tensors.read(one, 0, first);
            tensors.read(other, 0, second);
            return a.spec().type() == b.spec().type() && first.flip().equals(second.flip());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
