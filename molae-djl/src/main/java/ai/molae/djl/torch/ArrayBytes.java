package ai.molae.djl.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The elements of an array in Java, some megabytes at a time, wherever the array is. */
public final class ArrayBytes {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    private ArrayBytes() {}

    /** Uses the bytes of some elements. */
    @FunctionalInterface
    public interface Use {
        /**
         * Uses bytes that are gone afterwards.
         *
         * @param bytes in the machine's byte order
         * @throws IOException if writing them fails
         */
        void accept(ByteBuffer bytes) throws IOException;
    }

    /**
     * Reads consecutive elements in chunks of {@link WeightSource#CHUNK_BYTES}.
     *
     * @param array a contiguous array of a type that DJL knows
     * @param first the number of the first element
     * @param count how many
     * @param use gets the chunks in order
     * @throws IOException as {@code use}
     */
    public static void forEachChunk(NDArray array, long first, long count, Use use) throws IOException {
        long most = WeightSource.CHUNK_BYTES / array.getDataType().getNumOfBytes();
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch");
                NDArray flat = array.reshape(new Shape(-1))) {
            for (long done = 0; done < count; done += most) {
                try (NDManager chunk = scope.newSubManager()) {
                    long from = first + done;
                    NDArray part = flat.get(new NDIndex("{}:{}", from, from + Math.min(most, count - done)));
                    part.attach(chunk);
                    NDArray values = part.toDevice(Device.cpu(), false);
                    values.attach(chunk);
                    use.accept(values.toByteBuffer(true).order(ByteOrder.nativeOrder()));
                }
            }
        }
    }
}
