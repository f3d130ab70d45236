package ai.molae.bench.measure;

import java.util.Optional;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** The course of a trial, the same for all benchmarks: ceilings before every iteration, and an end in which memory is counted. */
@State(Scope.Benchmark) // one for the one thread that calls; the library's own threads work below it
// A process of its own for each, because kernels that were compiled and memory that was kept would favour whoever runs
// second.
@Fork(
        value = 1,
        jvmArgsAppend = {Jvm.HEAP, Jvm.DIRECT, Jvm.TRACKING, Jvm.COMPILER})
public abstract class TrialBenchmark {

    private Optional<Ceilings> ceilings = Optional.empty();

    /** For benchmarks. */
    protected TrialBenchmark() {}

    /**
     * Measures ceilings before every iteration, from now on. Not for peers: their libraries' threads and those of the products that measure would disturb each other.
     *
     * @param opened closed at the end
     */
    protected final void holdAgainst(Ceilings opened) {
        ceilings = Optional.of(opened);
    }

    /** Looks at the machine, whose speed drifts. */
    @Setup(Level.Iteration)
    public void beforeIteration() {
        Trial.measure(() -> ceilings.map(Ceilings::measure).orElseGet(java.util.Map::of));
    }

    /** Looks at the heap. */
    @TearDown(Level.Iteration)
    public void afterIteration() {
        Trial.iterated();
    }

    /**
     * Ends the trial, closes what was measured, and counts what that freed.
     *
     * @param close closes, and forgets: what is still referred to is not freed
     */
    protected final void end(Runnable close) {
        Trial.end();
        close.run();
        Trial.closed();
        ceilings.ifPresent(Ceilings::close);
    }
}
