package ai.molae.bench.model;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.measure.TrialBenchmark;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.MoeSpec;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Conversion of one standard layer in memory to a MoLAE of one group, without data: all operators factored so that the routed experts keep a share of
 * their parameters. All projections are found, and all own factors are computed, one after the other, as the converter writes them; reading and
 * writing files is not in it.
 *
 * <pre>{@code
 * java -jar benchmarks.jar LayerConversion -p shape=QWEN3_30B_A3B -p ratio=0.7 -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: seconds for a layer, times the layers of a model. The error is that of random weights, which have no
 * common space, and so as large as it can be: about the square root of the share of dimensions that are left out.
 */
// A conversion is run once, takes seconds, and gains nothing from being compiled.
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 1)
@Measurement(iterations = 3)
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class LayerConversion extends TrialBenchmark {

    private static final int SEED = 42;

    /** The model whose layer it is. */
    @Param("QWEN3_30B_A3B")
    public Shape shape = Shape.QWEN3_30B_A3B;

    /** How large it may be. */
    @Param("SMALL")
    public Scale scale = Scale.SMALL;

    /** The share of the routed experts' parameters that is kept. */
    @Param("0.7")
    public double ratio = 0.7;

    private NDManager manager;
    private Factoring factoring;

    /** Made by JMH. */
    public LayerConversion() {}

    /** Builds the layer, converts it once, checks the factors against it and states sizes. */
    @Setup(Level.Trial)
    public void open() {
        MoeSpec standard = shape.standard(scale);
        manager = NDManager.newBaseManager();
        // A tiny layer first: what libraries take at their first use is not the conversion's.
        try (NDManager scope = manager.newSubManager()) {
            factoring(scope, shape.standard(Scale.TINY)).run();
        }
        Trial.begin();
        factoring = factoring(manager, standard);
        Trial.built();
        Trial.put(Metric.ERROR, factoring.check());
        LayerCost cost = CostModel.layer(factoring.spec());
        Trial.put(Metric.PARAMETERS, (double) cost.parameters());
        Trial.put(Metric.WEIGHT_BYTES, (double) cost.weightBytes(ElementType.FLOAT32));
        Trial.ready();
    }

    private Factoring factoring(NDManager owner, MoeSpec layer) {
        Engine.getEngine("PyTorch").setRandomSeed(SEED);
        MoeBlock block = MoeBlock.builder().setSpec(layer).build();
        block.initialize(owner, DataType.FLOAT32, new ai.djl.ndarray.types.Shape(1, layer.hiddenSize()));
        return new Factoring(owner, block, Factoring.uniform(layer, ratio));
    }

    /**
     * One conversion.
     *
     * @return the largest relative error of an operator
     */
    @Benchmark
    public double convert() {
        return factoring.run();
    }

    /** Frees the layer. */
    @TearDown(Level.Trial)
    public void close() {
        end(manager::close);
    }
}
