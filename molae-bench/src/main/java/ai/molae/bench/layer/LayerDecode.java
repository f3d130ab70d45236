package ai.molae.bench.layer;

import ai.molae.bench.contender.Contender;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Inference of one layer on the next token of some sequences, as in decoding. Inputs take turns, so that the experts of a call are not those that the call
 * before has left in the cache.
 *
 * <pre>{@code
 * java -jar benchmarks.jar LayerDecode -p shape=QWEN3_30B_A3B -p variant=DENSE,MOE,MOLAE -p precision=BFLOAT16,INT8 -p tokens=1,4,16 \
 *     -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: MOLAE takes about the share of MOE's time that the bytes it reads are of MOE's; nobody is faster than {@code bytes.read} divided by
 * {@code ceiling.bandwidth}, as long as the layer is larger than the caches.
 */
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class LayerDecode extends LayerBenchmark {

    /** Sequences, of which each gives a token. */
    @Param({"1", "4", "16"})
    public int tokens = 1;

    private Contender contender;
    private int call;

    /** Made by JMH. */
    public LayerDecode() {}

    /** Builds the layer, checks what it computes and states what it should cost. */
    @Setup(Level.Trial)
    public void open() {
        contender = begin(tokens, implementation::open, layer -> layer.forward(0));
        new LayerFacts(layer(tokens)).putInference(precision);
        ready(new Reference(layer(tokens)).checkOutput(0, contender.output(0), precision));
    }

    /** One call. */
    @Benchmark
    public void decode() {
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
