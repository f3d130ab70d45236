package ai.molae.bench.layer;

import ai.molae.bench.contender.Implementation;
import ai.molae.bench.contender.MolaeRouting;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.Trial;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/**
 * What molae's layer does besides multiplying tokens by experts. {@code route} scores all experts and chooses; {@code dispatch} is a whole layer whose experts are one
 * number wide, so that it routes, sorts tokens by expert, gathers their rows, and adds them up with their weights, and its products are next to nothing. The
 * operations are not apart in the library, hence the narrow layer.
 *
 * <pre>{@code
 * java -jar benchmarks.jar RoutingDispatch -p shape=QWEN3_30B_A3B,DEEPSEEK_V3 -p variant=MOE,MOLAE_TIED -p load=BALANCED,ZIPF -p tokens=1,512,4096 \
 *     -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: {@code dispatch} beside {@link LayerForward}'s time for the same parameters is what sparsity costs. In MOLAE_TIED rows have the latent's width, not the
 * hidden size, when they are gathered; the two products with its shared matrices are left out. ({@code route} also works out the probabilities of all
 * experts, a second product with the router, which the layer leaves out in inference.)
 */
public class RoutingDispatch extends LayerBenchmark<MolaeRouting> {

    /** Rows of an input. */
    @Param({"1", "512"})
    public int tokens = 512;

    /** Made by JMH. */
    public RoutingDispatch() {}

    /** Builds the router and checks whom it chooses. */
    @Setup(Level.Trial)
    public void open() {
        if (implementation != Implementation.MOLAE) {
            throw new IllegalArgumentException("only MOLAE routes here, not " + implementation);
        }
        begin(tokens, MolaeRouting::new, router -> {
            router.route(0);
            router.dispatch(0);
        });
        Trial.put(Metric.TOKENS, tokens);
        ready(new Reference(layer()).checkRouting(0, measured().weights(0)));
    }

    /** Scores and choices. */
    @Benchmark
    public void route() {
        measured().route(nextCall());
    }

    /** A layer of experts one number wide. */
    @Benchmark
    public void dispatch() {
        measured().dispatch(nextCall());
    }
}
