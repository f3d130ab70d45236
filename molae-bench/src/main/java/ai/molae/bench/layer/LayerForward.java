package ai.molae.bench.layer;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;

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
public class LayerForward extends LayerInference {

    /** Rows of an input. */
    @Param({"512"})
    public int tokens = 512;

    /** Made by JMH. */
    public LayerForward() {}

    @Override
    int tokens() {
        return tokens;
    }

    /** One call. */
    @Benchmark
    public void forward() {
        call();
    }
}
