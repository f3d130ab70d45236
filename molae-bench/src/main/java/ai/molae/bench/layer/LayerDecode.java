package ai.molae.bench.layer;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

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
public class LayerDecode extends LayerInference {

    /** Sequences, of which each gives a token. */
    @Param({"1", "4", "16"})
    public int tokens = 1;

    /** Made by JMH. */
    public LayerDecode() {}

    @Override
    int tokens() {
        return tokens;
    }

    /** One call. */
    @Benchmark
    public void decode() {
        call();
    }
}
