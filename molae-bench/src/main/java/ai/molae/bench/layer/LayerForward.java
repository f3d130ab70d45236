package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import ai.molae.bench.contender.Implementation;
import ai.molae.bench.measure.CeilingProbe;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.OperatorFlops;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.djl.torch.Precision;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Inference of one layer: prefill with many tokens, decoding with one.
 *
 * <pre>{@code
 * java -jar benchmarks.jar LayerForward -p shape=QWEN3_30B_A3B -p variant=MOE,MOLAE -p precision=BFLOAT16 -p tokens=1,512 \
 *     -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: MOLAE takes about the share of MOE's time that its FLOPs are of MOE's (many tokens), or that the bytes it reads are (few);
 * never more than both ceilings explain.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 7, time = 200, timeUnit = TimeUnit.MILLISECONDS)
// A process of its own for each, because kernels that were compiled and memory that was kept would favour whoever runs
// second.
@Fork(value = 1, jvmArgsAppend = "-XX:NativeMemoryTracking=summary")
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class LayerForward {

    /** The model whose layer it is. */
    @Param("QWEN3_30B_A3B")
    public Shape shape = Shape.QWEN3_30B_A3B;

    /** How large it may be. */
    @Param("SMALL")
    public Scale scale = Scale.SMALL;

    /** What is built. */
    @Param({"MOE", "MOLAE"})
    public Variant variant = Variant.MOE;

    /** Format of the weights. */
    @Param("BFLOAT16")
    public Precision precision = Precision.BFLOAT16;

    /** How often experts are chosen. */
    @Param("BALANCED")
    public ExpertLoad load = ExpertLoad.BALANCED;

    /** Rows of an input. */
    @Param({"1", "512"})
    public int tokens = 1;

    /** Who computes it. */
    @Param("MOLAE")
    public Implementation implementation = Implementation.MOLAE;

    private Contender contender;
    private CeilingProbe ceilings;
    private int call;

    /** Made by JMH. */
    public LayerForward() {}

    /** Builds the layer, checks what it computes and states what it should cost. */
    @Setup(Level.Trial)
    public void open() {
        LayerCase layer = new LayerCase(shape, scale, variant, load, tokens);
        ceilings = implementation.ceilings(precision);
        warm(new LayerCase(shape, Scale.TINY, variant, load, tokens));
        Trial.begin();
        contender = implementation.open(layer, precision);
        Trial.notCounted(4L * Contender.INPUTS * tokens * layer.spec().hiddenSize());
        Trial.built();
        OperatorFlops.state(() -> contender.forward(0));
        Trial.put(Metric.ERROR, new Reference(layer).checkOutput(0, contender.output(0), precision));
        LayerCost cost = CostModel.layer(layer.spec());
        ElementType type = ElementType.valueOf(precision.name());
        Trial.put(Metric.TOKENS, tokens);
        Trial.put(Metric.FLOPS, tokens * cost.forwardFlops());
        Trial.put(Metric.PARAMETERS, (double) cost.parameters());
        Trial.put(Metric.WEIGHT_BYTES, (double) cost.weightBytes(type));
        Trial.put(Metric.READ_BYTES, cost.decodeBytes(type, tokens));
        Trial.betweenIterations(ceilings::measure);
    }

    /** The engine loads, compiles and chooses kernels before memory is looked at. */
    private void warm(LayerCase small) {
        try (Contender first = implementation.open(small, precision)) {
            first.forward(0);
            first.forward(1);
        }
    }

    /** One call. */
    @Benchmark
    public void forward() {
        contender.forward(call++);
    }

    /** Frees the layer. */
    @TearDown(Level.Trial)
    public void close() {
        Trial.end();
        contender.close();
        ceilings.close();
    }
}
