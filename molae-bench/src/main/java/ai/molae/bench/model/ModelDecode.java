package ai.molae.bench.model;

import ai.djl.ndarray.NDManager;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.workload.ModelCase;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.KvCache;
import ai.molae.djl.torch.Precision;
import java.util.ArrayList;
import java.util.List;
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
 * One step of generation with a whole model: each sequence of the batch reads one token behind 128 others in the cache, which then goes back to these.
 *
 * <pre>{@code
 * java -jar benchmarks.jar ModelDecode -p shape=QWEN3_30B_A3B -p variant=MOE,MOLAE -p precision=BFLOAT16,INT8 -p batch=1,4 \
 *     -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: time follows the bytes that are read, not the FLOPs. MOLAE with one group reads its projections once, whatever the batch; a
 * larger batch needs more of the experts, and MOLAE's are the smaller ones.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 7, time = 300, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class ModelDecode extends ModelBenchmark {

    /** Positions in the cache. */
    static final int PROMPT = 128;

    /** So many positions before the end of the prompt are decoded one by one and checked. */
    private static final int CHECKED = 8;

    /** So many tokens are read in turns: others choose other experts, which are then in no cache. */
    private static final int TURNS = 64;

    /** Sequences that are continued together. */
    @Param({"1", "4"})
    public int batch = 1;

    private CausalLm model;
    private KvCache cache;
    private final int[][] turns = new int[TURNS][];
    private int call;

    /** Made by JMH. */
    public ModelDecode() {}

    /** Builds the model, reads the prompt, checks logits and states what a call should cost. */
    @Setup(Level.Trial)
    public void open() {
        ModelCase made = modelCase();
        begin();
        for (int i = 0; i < TURNS; i++) {
            turns[i] = made.tokens(1 + i, batch);
        }
        int[] prompt = made.tokens(0, batch * PROMPT);
        List<float[]> expected = new ArrayList<>();
        // All of it once before memory is measured: what libraries take at their first use and keep is not the model's.
        try (NDManager rehearsal = manager.newSubManager()) {
            CausalLm first = made.build(rehearsal, Precision.FLOAT32);
            for (int position = PROMPT - CHECKED; position < PROMPT; position++) {
                addRows(expected, Decoding.forward(rehearsal, first, prompt, batch, position));
            }
            prepare(rehearsal, first);
            read(rehearsal, first, prompt);
        }
        Trial.begin();
        model = made.build(manager, Precision.FLOAT32);
        prepare(manager, model);
        Trial.built();
        Trial.put(
                Metric.ERROR, LogitsCheck.check(made + " decoded", expected, read(manager, model, prompt), precision));
        state(CostModel.model(model.spec()));
        Trial.ready();
    }

    private void prepare(NDManager owner, CausalLm lm) {
        lm.prepareForInference(precision);
        cache = new KvCache(lm.spec(), owner, batch, PROMPT + 1);
    }

    /** Reads the prompt, its end token by token, whose logits it returns. */
    private List<float[]> read(NDManager owner, CausalLm lm, int[] prompt) {
        Decoding.decode(owner, lm, columns(prompt, 0, PROMPT - CHECKED), cache);
        List<float[]> logits = new ArrayList<>();
        for (int position = PROMPT - CHECKED; position < PROMPT; position++) {
            addRows(logits, Decoding.decode(owner, lm, columns(prompt, position, position + 1), cache));
        }
        return logits;
    }

    /** Some columns of {@code [batch, PROMPT]}. */
    private int[] columns(int[] prompt, int from, int to) {
        int[] columns = new int[batch * (to - from)];
        for (int i = 0; i < batch; i++) {
            System.arraycopy(prompt, i * PROMPT + from, columns, i * (to - from), to - from);
        }
        return columns;
    }

    /** The logits of each sequence. */
    private void addRows(List<float[]> rows, float[] logits) {
        int size = logits.length / batch;
        for (int i = 0; i < batch; i++) {
            float[] row = new float[size];
            System.arraycopy(logits, i * size, row, 0, size);
            rows.add(row);
        }
    }

    private void state(ModelCost cost) {
        ElementType type = ElementType.valueOf(precision.name());
        Trial.put(Metric.TOKENS, batch);
        Trial.put(Metric.FLOPS, batch * cost.forwardFlops(PROMPT + 1));
        Trial.put(Metric.PARAMETERS, (double) cost.parameters());
        Trial.put(Metric.WEIGHT_BYTES, (double) cost.weightBytes(type));
        Trial.put(
                Metric.READ_BYTES,
                cost.decodeBytes(type, ElementType.FLOAT32, batch, PROMPT).total());
    }

    /**
     * One token of each sequence.
     *
     * @return the logits
     */
    @Benchmark
    public float[] decode() {
        cache.rewind(PROMPT);
        return Decoding.decode(manager, model, turns[call++ % TURNS], cache);
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
