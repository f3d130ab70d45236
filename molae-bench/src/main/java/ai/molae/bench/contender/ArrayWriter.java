package ai.molae.bench.contender;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.NoGrad;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/**
 * Copies Java's numbers into an array from its first element on, a megabyte at a time through one buffer. What DJL makes of Java's numbers by itself lies in
 * native buffers until garbage is collected, and would be taken for memory of the layer.
 */
final class ArrayWriter implements AutoCloseable {

    private static final ByteBuffer BUFFER = ByteBuffer.allocateDirect(1 << 20).order(ByteOrder.nativeOrder());

    private final NDManager scope;
    private final NDArray flat;
    private final FloatBuffer floats = BUFFER.clear().asFloatBuffer();
    private long written;

    /** Begins to write into a float32 array, which is not closed. */
    ArrayWriter(NDArray array) {
        scope = array.getManager().newSubManager();
        flat = array.reshape(array.size());
        flat.attach(scope);
    }

    /** Writes the next numbers. */
    void write(float[] numbers) {
        for (int done = 0; done < numbers.length; ) {
            int count = Math.min(floats.remaining(), numbers.length - done);
            floats.put(numbers, done, count);
            done += count;
            if (!floats.hasRemaining()) {
                flush();
            }
        }
    }

    private void flush() {
        int count = floats.flip().remaining();
        BUFFER.clear().limit(count * Float.BYTES);
        if (count > 0) {
            try (NoGrad noGrad = new NoGrad();
                    NDArray part = scope.create(BUFFER, new Shape(count), DataType.FLOAT32)) {
                flat.set(new NDIndex("{}:{}", written, written + count), part);
            }
        }
        written += count;
        floats.clear();
    }

    /** Writes what is left. */
    @Override
    public void close() {
        flush();
        scope.close();
    }
}
