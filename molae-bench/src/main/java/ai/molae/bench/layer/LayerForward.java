package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Inference of one layer on many tokens at once, as in prefill.
 *
 * <pre>{@code
 * java -jar benchmarks.jar LayerForward -p shape=QWEN3_30B_A3B -p variant=DENSE,MOE,MOLAE -p precision=BFLOAT16 -p tokens=64,512,4096 \
 *     -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: MOLAE takes about the share of MOE's time that its FLOPs are of MOE's; nobody is faster than {@code flops} divided by
 * {@code ceiling.flops}. With few tokens for each expert the bytes that are read decide instead.
 */
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class LayerForward extends LayerBenchmark {

    /** Rows of an input. */
    @Param({"512"})
    public int tokens = 512;

    private Contender contender;
    private int call;

    /** Made by JMH. */
    public LayerForward() {}

    /** Builds the layer, checks what it computes and states what it should cost. */
    @Setup(Level.Trial)
    public void open() {
        contender = begin(tokens, implementation::open, layer -> layer.forward(0));
        new LayerFacts(layer(tokens)).putInference(precision);
        ready(new Reference(layer(tokens)).checkOutput(0, contender.output(0), precision));
    }

    /** One call. */
    @Benchmark
    public void forward() {
        contender.forward(call++);
    }

    /** Frees the layer. */
    @SuppressWarnings("NullAway") // nothing may refer to it when memory is counted
    @TearDown(Level.Trial)
    public void close() {
        end(() -> {
            contender.close();
            contender = null;
        });
    }
}
