package ai.molae.djl.convert;

import ai.molae.spec.MoeSpec;
import java.util.Collection;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Threads for independent factorisations, as many as memory allows. */
final class Workers implements AutoCloseable {

    private final ExecutorService executor;

    private Workers(int threads) {
        executor = Executors.newFixedThreadPool(threads, task -> {
            Thread thread = new Thread(task, "molae-conversion");
            thread.setDaemon(true);
            return thread;
        });
    }

    /**
     * What a factorisation needs: the Gram matrix, its weighted form, what the eigenvalue solver works on (three matrices), second moments and their root,
     * in float64; a matrix of an expert as read, in float64 and weighted; the buffer it is read through.
     */
    static long taskBytes(MoeSpec moe) {
        long n = moe.hiddenSize();
        return 7 * n * n * Double.BYTES + 5 * n * moe.intermediateSize() * Double.BYTES + (8L << 20);
    }

    /**
     * Starts threads.
     *
     * @param threads the most threads
     * @param memoryLimit bytes for all of them
     * @param layers the layers to factor
     * @throws IllegalArgumentException if not even one fits
     */
    static Workers of(int threads, long memoryLimit, Collection<MoeSpec> layers) {
        long taskBytes = layers.stream().mapToLong(Workers::taskBytes).max().orElseThrow();
        long fit = memoryLimit / taskBytes;
        if (fit < 1) {
            throw new IllegalArgumentException("a factorisation of this model needs " + taskBytes / 1_000_000
                    + " MB, the memory limit is " + memoryLimit / 1_000_000 + " MB; allow more");
        }
        return new Workers((int) Math.min(threads, fit));
    }

    ExecutorService executor() {
        return executor;
    }

    @Override
    public void close() {
        executor.shutdownNow();
    }
}
