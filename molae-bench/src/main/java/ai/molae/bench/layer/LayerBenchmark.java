package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import ai.molae.bench.contender.Implementation;
import ai.molae.bench.measure.Ceilings;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.OperatorFlops;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.measure.TrialBenchmark;
import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.torch.Precision;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Warmup;

/** What the benchmarks of a layer have in common: parameters, and the course of a trial. */
@BenchmarkMode(Mode.AverageTime) // a call takes long enough for the clock, and who reads wants time per call
@OutputTimeUnit(TimeUnit.MILLISECONDS)
// The first calls compile kernels for new shapes, and Java. Memory is watched meanwhile.
@Warmup(iterations = 2, time = 600, timeUnit = TimeUnit.MILLISECONDS)
// Short iterations, and the machine's ceilings between them, because its speed drifts within seconds.
@Measurement(iterations = 7, time = 200, timeUnit = TimeUnit.MILLISECONDS)
public abstract class LayerBenchmark extends TrialBenchmark {

    /** The model whose layer it is. */
    @Param("QWEN3_30B_A3B")
    public Shape shape = Shape.QWEN3_30B_A3B;

    /** How large it may be. */
    @Param("SMALL")
    public Scale scale = Scale.SMALL;

    /** What is built. */
    @Param({"MOE", "MOLAE"})
    public Variant variant = Variant.MOE;

    /** Format of the weights; in training that of the products. */
    @Param("BFLOAT16")
    public Precision precision = Precision.BFLOAT16;

    /** How often experts are chosen. */
    @Param("BALANCED")
    public ExpertLoad load = ExpertLoad.BALANCED;

    /** Who computes it. */
    @Param("MOLAE")
    public Implementation implementation = Implementation.MOLAE;

    LayerBenchmark() {}

    /**
     * Begins a trial and builds.
     *
     * @param tokens T
     * @param opening builds what is measured, with {@link Contender#INPUTS} inputs of T · n float32
     * @param call runs it once
     * @return what it built
     */
    final <C extends AutoCloseable> C begin(int tokens, BiFunction<LayerCase, Precision, C> opening, Consumer<C> call) {
        if (implementation.isDjl()) {
            holdAgainst(new Ceilings(precision));
        }
        rehearse(new LayerCase(shape, Scale.TINY, variant, load, tokens), opening, call);
        LayerCase layer = layer(tokens);
        Trial.begin();
        C opened = opening.apply(layer, precision);
        Trial.notCounted((long) Contender.INPUTS * tokens * layer.spec().hiddenSize() * Float.BYTES);
        Trial.built();
        if (implementation.isDjl()) {
            OperatorFlops.state(() -> call.accept(opened));
        }
        return opened;
    }

    /** What libraries load and choose at their first use, and keep, is not the layer's. */
    private <C extends AutoCloseable> void rehearse(
            LayerCase small, BiFunction<LayerCase, Precision, C> opening, Consumer<C> call) {
        try (C first = opening.apply(small, precision)) {
            call.accept(first);
            call.accept(first);
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("cannot close a rehearsal of " + small, e);
        }
    }

    /**
     * Ends the set-up.
     *
     * @param error of the result, which was checked
     */
    final void ready(double error) {
        Trial.put(Metric.ERROR, error);
        Trial.ready();
    }

    /** The case that the parameters name. */
    final LayerCase layer(int tokens) {
        return new LayerCase(shape, scale, variant, load, tokens);
    }
}
