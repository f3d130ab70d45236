package ai.molae.bench.model;

import ai.djl.ndarray.NDManager;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.workload.ModelCase;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.cost.ModelPart;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.KvCache;
import ai.molae.djl.torch.Precision;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
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
 * Reading a prompt with a whole model: keys and values of all positions go to the cache, logits of the last come out.
 *
 * <pre>{@code
 * java -jar benchmarks.jar ModelPrefill -p shape=QWEN3_30B_A3B -p variant=MOE,MOLAE -p precision=BFLOAT16,INT8 -p tokens=128,512 \
 *     -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: the difference of MOLAE to MOE is that of the layers, made smaller by attention and head, which both have alike; in milliseconds it
 * is three times what LayerForward shows for a layer of this size.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class ModelPrefill extends ModelBenchmark {

    /** So many prompts are read in turns, and checked. */
    private static final int PROMPTS = 9;

    /** Length of the prompt. */
    @Param({"128", "512"})
    public int tokens = 128;

    private final int[][] prompts = new int[PROMPTS][];
    private CausalLm model;
    private KvCache cache;
    private int call;

    /** Made by JMH. */
    public ModelPrefill() {}

    /** Builds the model, checks its logits and states what a call should cost. */
    @Setup(Level.Trial)
    public void open() {
        ModelCase made = modelCase();
        for (int i = 0; i < PROMPTS; i++) {
            prompts[i] = made.tokens(i, tokens);
        }
        begin();
        List<float[]> expected;
        // All of it once before memory is measured: what libraries take at their first use and keep is not the model's.
        try (NDManager rehearsal = manager.newSubManager()) {
            CausalLm first = made.build(rehearsal, Precision.FLOAT32);
            expected = IntStream.range(0, PROMPTS)
                    .mapToObj(i -> Decoding.forward(rehearsal, first, prompts[i], 1, tokens - 1))
                    .toList();
            prepare(rehearsal, first);
            prefill(rehearsal, first);
        }
        call = 0;
        Trial.begin();
        model = made.build(manager, Precision.FLOAT32);
        prepare(manager, model);
        Trial.built();
        List<float[]> actual =
                IntStream.range(0, PROMPTS).mapToObj(i -> prefill()).toList();
        Trial.put(Metric.ERROR, LogitsCheck.check(made.toString(), expected, actual, precision));
        state(CostModel.model(model.spec()));
        Trial.ready();
    }

    private void prepare(NDManager owner, CausalLm lm) {
        lm.prepareForInference(precision);
        cache = new KvCache(lm.spec(), owner, 1, tokens);
    }

    private float[] prefill(NDManager owner, CausalLm lm) {
        cache.reset();
        return Decoding.decode(owner, lm, prompts[call++ % PROMPTS], cache);
    }

    private void state(ModelCost cost) {
        ElementType type = ElementType.valueOf(precision.name());
        double head = cost.forwardFlopsByPart(1).getOrDefault(ModelPart.HEAD, 0.0);
        Trial.put(Metric.TOKENS, tokens);
        // A third of training is the forward pass of the average token; the head reads the last one only.
        Trial.put(Metric.FLOPS, tokens * (cost.trainingFlops(tokens) / 3 - head) + head);
        Trial.put(Metric.PARAMETERS, (double) cost.parameters());
        Trial.put(Metric.WEIGHT_BYTES, (double) cost.weightBytes(type));
        Trial.put(
                Metric.READ_BYTES,
                cost.decodeBytes(type, ElementType.FLOAT32, tokens, 0).weights());
    }

    /**
     * One prompt.
     *
     * @return the logits
     */
    @Benchmark
    public float[] prefill() {
        return prefill(manager, model);
    }

    /** Frees the model. */
    @TearDown(Level.Trial)
    public void close() {
        end(() -> {
            cache.close();
            manager.close();
        });
    }
}
