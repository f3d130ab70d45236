package ai.molae.djl.safetensors;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Direct buffers for reading in chunks: as many as threads have read at the same time, garbage with their owner. */
final class ScratchPool {

    /** Long enough that calls cost nothing, short enough for the outer cache. */
    static final int BYTES = 4 << 20;

    private final Queue<ByteBuffer> free = new ConcurrentLinkedQueue<>();

    /** A buffer for the caller alone, little-endian, of undefined content. */
    ByteBuffer take() {
        ByteBuffer buffer = free.poll();
        return buffer == null ? allocate() : buffer.clear();
    }

    void giveBack(ByteBuffer buffer) {
        free.add(buffer);
    }

    static ByteBuffer allocate() {
        return ByteBuffer.allocateDirect(BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }
}
