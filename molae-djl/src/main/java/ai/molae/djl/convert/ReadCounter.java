package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Counts the matrices that are read, tells how far that is, and stops between them if asked to. Safe for concurrent use. */
final class ReadCounter {

    private final String stage;
    private final Consumer<Converter.Progress> listener;
    private final Runnable checkStopped;
    private long total;
    private long done;

    /**
     * A counter.
     *
     * @param stage the name of what is being done
     * @param listener is told
     * @param checkStopped throws if the work is to stop
     */
    ReadCounter(String stage, Consumer<Converter.Progress> listener, Runnable checkStopped) {
        this.stage = stage;
        this.listener = listener;
        this.checkStopped = checkStopped;
    }

    /** Sets how many there are. */
    synchronized ReadCounter of(long matrices) {
        total = matrices;
        return this;
    }

    /** Counts more; iterations read matrices more often than was foreseen. */
    synchronized void add(long matrices) {
        done = Math.min(total, done + matrices);
        listener.accept(new Converter.Progress(stage, done, total));
    }

    void checkStopped() {
        checkStopped.run();
    }

    /** A source for each thread that asks, whose matrices are counted. All are garbage with the supplier. */
    Supplier<ExpertSource> perThread(Supplier<ExpertSource> source) {
        // Not a ThreadLocal, whose values, with their buffers and the closed checkpoint, stay in the caller's thread
        // when nobody has the key any more.
        Map<Thread, ExpertSource> sources = new ConcurrentHashMap<>();
        return () -> sources.computeIfAbsent(Thread.currentThread(), thread -> counting(source.get()));
    }

    /** A source whose matrices are counted. */
    ExpertSource counting(ExpertSource experts) {
        return new ExpertSource() {
            @Override
            public MoeSpec spec() {
                return experts.spec();
            }

            @Override
            public NDArray read(NDManager manager, int expert, ExpertOperator operator) {
                checkStopped.run();
                NDArray matrix = experts.read(manager, expert, operator);
                add(1);
                return matrix;
            }
        };
    }
}
