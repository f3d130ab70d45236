package ai.molae.bench.layer;

import ai.molae.bench.contender.Trainee;
import ai.molae.cost.ActivationPolicy;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/**
 * Forward and backward pass of one layer: gradients of all weights and of the input, without an optimizer.
 *
 * <pre>{@code
 * java -jar benchmarks.jar LayerTraining -p shape=QWEN3_30B_A3B -p variant=MOE,MOLAE -p precision=FLOAT32,BFLOAT16 \
 *     -p activations=KEEP_DISTINCT,RECOMPUTE -p tokens=512,2048 -prof ai.molae.bench.measure.TrialProfiler
 * java -jar benchmarks.jar LayerTraining -p implementation=MOLAE,NDARRAY_LOOP -p precision=FLOAT32 -p activations=KEEP_GATHERED ...
 * }</pre>
 *
 * <p>What to see: MOLAE takes about the share of MOE's time that its FLOPs are of MOE's; RECOMPUTE multiplies once more than KEEP_DISTINCT and holds less between the passes;
 * {@code bytes.peak} beside {@code bytes.peak.expected}. DJL's own collector (KEEP_GATHERED) keeps a copy of every gathered row.
 */
public class LayerTraining extends LayerBenchmark<Trainee> {

    /** Rows of an input. */
    @Param("512")
    public int tokens = 512;

    /** What stays in memory between forward and backward: KEEP_GATHERED is DJL's own collector, the others are molae's gradient tape. */
    @Param({"KEEP_DISTINCT", "RECOMPUTE"})
    public ActivationPolicy activations = ActivationPolicy.KEEP_DISTINCT;

    /** Made by JMH. */
    public LayerTraining() {}

    /** Builds the layer, checks its gradient and states what it should cost. */
    @Setup(Level.Trial)
    public void open() {
        begin(
                tokens,
                (layer, products) -> implementation.openTraining(layer, products, activations),
                trainee -> trainee.step(0));
        new LayerFacts(layer()).putTraining(precision, activations);
        ready(new Reference(layer()).checkInputGradient(0, measured().inputGradient(0), precision));
    }

    /** One step. */
    @Benchmark
    public void step() {
        measured().step(nextCall());
    }
}
