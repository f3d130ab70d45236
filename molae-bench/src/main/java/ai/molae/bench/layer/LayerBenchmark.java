package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import ai.molae.bench.contender.Implementation;
import ai.molae.bench.measure.Ceilings;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.OperatorFlops;
import ai.molae.bench.measure.ShapeBenchmark;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.djl.torch.Precision;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the benchmarks of a layer have in common: parameters, and the course of a trial.
 *
 * @param <C> what is measured
 */
@BenchmarkMode(Mode.AverageTime) // a call takes long enough for the clock, and who reads wants time per call
@OutputTimeUnit(TimeUnit.MILLISECONDS)
// The first calls compile kernels for new shapes, and Java. Memory is watched meanwhile.
@Warmup(iterations = 2, time = 600, timeUnit = TimeUnit.MILLISECONDS)
// Short iterations, and the machine's ceilings between them, because its speed drifts within seconds.
@Measurement(iterations = 7, time = 200, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH sets up first
public abstract class LayerBenchmark<C extends AutoCloseable> extends ShapeBenchmark {

    /** Format of the weights; in training that of the products. */
    @Param("BFLOAT16")
    public Precision precision = Precision.BFLOAT16;

    /** How often experts are chosen. */
    @Param("BALANCED")
    public ExpertLoad load = ExpertLoad.BALANCED;

    /** Who computes it. */
    @Param("MOLAE")
    public Implementation implementation = Implementation.MOLAE;

    private C measured;
    private int calls;
    private @Nullable LayerCase layer;

    LayerBenchmark() {}

    /**
     * Begins a trial and builds what is measured.
     *
     * @param tokens T
     * @param opening builds it, with {@link Contender#INPUTS} inputs of T · n float32
     * @param call runs it once
     */
    final void begin(int tokens, BiFunction<LayerCase, Precision, C> opening, Consumer<C> call) {
        if (implementation.isDjl()) {
            holdAgainst(new Ceilings(precision));
        }
        rehearse(new LayerCase(shape, Scale.TINY, variant, load, tokens), opening, call);
        LayerCase made = new LayerCase(shape, scale, variant, load, tokens);
        layer = made;
        Trial.begin();
        C opened = opening.apply(made, precision);
        measured = opened;
        Trial.notCounted((long) Contender.INPUTS * tokens * made.spec().hiddenSize() * Float.BYTES);
        Trial.built();
        if (implementation.isDjl()) {
            OperatorFlops.state(() -> call.accept(opened));
        }
    }

    /** What libraries load and choose at their first use, and keep, is not the layer's. */
    private void rehearse(LayerCase small, BiFunction<LayerCase, Precision, C> opening, Consumer<C> call) {
        C first = opening.apply(small, precision);
        try {
            call.accept(first);
            call.accept(first);
        } finally {
            close(first);
        }
    }

    /** The case that the parameters name, with the inputs that were built of it; from {@link #begin} to {@link #ready}. */
    final LayerCase layer() {
        return Objects.requireNonNull(layer, "begin() makes the case, ready() forgets it");
    }

    /** What was built; from {@link #begin} on. */
    final C measured() {
        return measured;
    }

    /** The number of the next call, from 0. */
    final int nextCall() {
        return calls++;
    }

    /**
     * Ends the set-up.
     *
     * @param error of the result, which was checked
     */
    final void ready(double error) {
        layer = null; // its inputs on the Java heap are garbage before memory is watched
        Trial.put(Metric.ERROR, error);
        Trial.ready();
    }

    /** Frees what was measured. */
    @SuppressWarnings("NullAway") // nothing may refer to it when memory is counted
    @TearDown(Level.Trial)
    public void close() {
        end(() -> {
            close(measured);
            measured = null;
        });
    }

    private static void close(AutoCloseable opened) {
        try {
            opened.close();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("cannot close " + opened, e);
        }
    }
}
