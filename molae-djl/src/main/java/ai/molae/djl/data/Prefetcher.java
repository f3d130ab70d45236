package ai.molae.djl.data;

import java.util.ArrayDeque;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/**
 * Makes batches of {@link TrainingData#shuffled} ahead, on a daemon thread of its own. The batches are those that the data gives by itself,
 * in the same order. For one consumer.
 *
 * <pre>{@code
 * try (Prefetcher batches = new Prefetcher(data, position, batchSize, 4)) {
 *     TokenBatch batch = batches.next();
 *     ...
 *     checkpoint(batches.position());   // what was taken; what was made ahead is made again
 * }
 * }</pre>
 */
public final class Prefetcher implements AutoCloseable {

    private final TrainingData data;
    private final int batchSize;
    private final int depth;
    private final Thread thread;
    /** Guards what follows. */
    private final Object lock = new Object();

    private final Queue<TokenBatch> ready = new ArrayDeque<>();
    private long position;
    private @Nullable Throwable failure;
    private boolean closed;

    /**
     * Begins to make batches.
     *
     * @param data where they come from; must stay open until this is closed
     * @param position how many sequences were taken before, over all epochs
     * @param batchSize B
     * @param depth how many batches are made ahead at most
     * @throws IllegalArgumentException if a number is out of range
     */
    public Prefetcher(TrainingData data, long position, int batchSize, int depth) {
        if (position < 0 || batchSize < 1 || depth < 1) {
            throw new IllegalArgumentException(
                    "position must not be negative, batchSize and depth must be positive, got " + position + ", "
                            + batchSize + " and " + depth);
        }
        this.data = data;
        this.batchSize = batchSize;
        this.depth = depth;
        this.position = position;
        thread = new Thread(() -> make(position), "molae-prefetch");
        thread.setDaemon(true);
        thread.start();
    }

    private void make(long first) {
        try {
            for (long at = first; awaitRoom(); at += batchSize) {
                TokenBatch batch = data.shuffled(at, batchSize);
                synchronized (lock) {
                    ready.add(batch);
                    lock.notifyAll();
                }
            }
        } catch (RuntimeException | Error e) { // whatever it is, it is for the consumer
            synchronized (lock) {
                failure = e;
                lock.notifyAll();
            }
        }
    }

    /** False when there is nothing to make any more. */
    private boolean awaitRoom() {
        synchronized (lock) {
            while (!closed && ready.size() >= depth) {
                try {
                    lock.wait();
                } catch (InterruptedException e) {
                    throw new IllegalStateException("somebody interrupted the thread that makes batches", e);
                }
            }
            return !closed;
        }
    }

    /**
     * The next batch, waiting until it is made.
     *
     * @return the batch of the sequences from {@link #position} on
     * @throws RuntimeException what the data threw when this batch was made, and again whenever this is called
     * @throws IllegalStateException if this is closed
     * @throws CancellationException if the waiting thread is interrupted, which it stays
     */
    public TokenBatch next() {
        synchronized (lock) {
            while (!closed && ready.isEmpty() && failure == null) {
                try {
                    lock.wait();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new CancellationException("interrupted while waiting for a batch");
                }
            }
            if (closed) {
                throw new IllegalStateException("the prefetcher is closed");
            }
            TokenBatch batch = ready.poll();
            if (batch != null) {
                position += batchSize;
                lock.notifyAll();
                return batch;
            }
            if (failure instanceof Error error) {
                throw error;
            }
            throw (RuntimeException) Objects.requireNonNull(failure);
        }
    }

    /**
     * Where training stands, for a checkpoint.
     *
     * @return sequences taken, over all epochs, those before this prefetcher included
     */
    public long position() {
        synchronized (lock) {
            return position;
        }
    }

    /** Ends the thread, and waits for the batch that it is making. */
    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            ready.clear();
            lock.notifyAll();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true; // the data may be closed only once nobody reads it
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
