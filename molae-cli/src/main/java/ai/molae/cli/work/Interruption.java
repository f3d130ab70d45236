package ai.molae.cli.work;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C (or a plain kill) while work is going on: asks the work to stop and keeps the JVM alive until what was done is written.
 */
public final class Interruption implements AutoCloseable {

    /** What a command returns that was interrupted: 128 and the number of SIGINT. */
    public static final int EXIT_CODE = 130;

    private static final long GRACE_SECONDS = 60;

    /** Whether the JVM's shutdown hooks have begun to run. */
    private static volatile boolean ending;

    private final long graceSeconds;
    private final CountDownLatch finished = new CountDownLatch(1);
    private final Thread hook = new Thread(this::end, "molae-interrupt");
    private volatile boolean happened;
    private volatile Runnable stop = () -> {};

    /** Begins to wait for an interruption, after which there is a minute to finish. */
    public Interruption() {
        this(GRACE_SECONDS);
    }

    /**
     * Begins to wait for an interruption.
     *
     * @param graceSeconds how long the work may take to finish after it
     */
    public Interruption(long graceSeconds) {
        this.graceSeconds = graceSeconds;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /**
     * Sets what to call on an interruption; called at once if it has already happened.
     *
     * @param action stops the work; called on another thread
     */
    public void onInterrupt(Runnable action) {
        stop = action;
        if (happened) {
            action.run();
        }
    }

    /**
     * Whether there was an interruption.
     *
     * @return true if the work is to stop
     */
    public boolean happened() {
        return happened;
    }

    /**
     * Ends work that has nothing to save.
     *
     * @throws CancellationException if there was an interruption
     */
    public void check() {
        if (happened) {
            throw new CancellationException("interrupted");
        }
    }

    /** Work that ends with a {@link CancellationException} when it is interrupted. */
    @FunctionalInterface
    public interface Work {

        /**
         * Works.
         *
         * @return the exit code
         * @throws IOException if reading or writing fails
         */
        int run() throws IOException;
    }

    /**
     * Does work of which nothing is left when it is interrupted. That it was is said while this is open: afterwards the JVM may be gone.
     *
     * @param err where to say it
     * @param work the work
     * @return its exit code, or 130
     * @throws IOException as the work
     */
    public int guard(PrintWriter err, Work work) throws IOException {
        try {
            return work.run();
        } catch (CancellationException e) {
            err.println("molae: " + e.getMessage());
            err.flush();
            return EXIT_CODE;
        }
    }

    /**
     * Ends the JVM, unless an interruption is ending it: whoever exits between the end of its hooks and its halt would give it another exit code than the signal's.
     *
     * @param exitCode what a command returned
     */
    public static void exit(int exitCode) {
        if (!ending) {
            System.exit(exitCode);
        }
    }

    private void end() {
        ending = true;
        interrupt();
    }

    /** What the hook does. */
    public void interrupt() {
        happened = true;
        stop.run();
        try {
            if (!finished.await(graceSeconds, TimeUnit.SECONDS)) {
                System.err.println("molae: not finished " + graceSeconds + " s after the interrupt; giving up");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The work is done and written. */
    @Override
    public void close() {
        finished.countDown();
        if (!happened) {
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException e) {
                // The JVM began to shut down just now; the hook finds the work finished.
                return;
            }
        }
    }
}
