package ai.molae.djl.train;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** The right to train, which one thread of a process has at a time: autograd records one graph. */
final class TrainingTurn implements AutoCloseable {

    private static final AtomicReference<@Nullable Thread> HOLDER = new AtomicReference<>();

    private TrainingTurn() {}

    /**
     * Takes it for this thread, until it is closed.
     *
     * @throws IllegalStateException if a thread has it, this one included
     */
    static TrainingTurn take() {
        Thread other = HOLDER.compareAndExchange(null, Thread.currentThread());
        if (other != null) {
            throw new IllegalStateException("another trainer trains on thread " + other.getName()
                    + " of this process; wait for it to end, or train in another process");
        }
        return new TrainingTurn();
    }

    @Override
    public void close() {
        HOLDER.set(null);
    }
}
