package ai.molae.bench.model;

import ai.djl.ndarray.NDManager;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.workload.ModelCase;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.MemoryEstimate;
import java.util.Arrays;
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
 * One step of training a whole model on one window: forward, backward, AdamW.
 *
 * <pre>{@code
 * java -jar benchmarks.jar ModelTraining -p shape=QWEN3_30B_A3B -p variant=MOE,MOLAE -p precision=FLOAT32,BFLOAT16 -p tokens=256 \
 *     -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: memory. Weights, gradients and AdamW's state are 16 bytes a parameter, so that MOLAE's share of MOE's parameters is its share
 * of what is retained; the peak has the activations besides. A short window shows the optimizer, which reads every parameter whatever
 * the number of tokens.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class ModelTraining extends ModelBenchmark {

    private static final int WINDOWS = 4;
    private static final int CHECKED_STEPS = 3;

    /** Small: what is measured does not depend on what is learnt, and routing should stay as it is. */
    private static final double LEARNING_RATE = 1e-4;

    /** Length of the window. */
    @Param({"256", "512"})
    public int tokens = 256;

    private TrainingSteps steps;
    private final TokenBatch[] windows = new TokenBatch[WINDOWS];
    private int call;

    /** Made by JMH. */
    public ModelTraining() {}

    /** Builds the model, checks that its loss is right and falls, and states what a step should cost. */
    @Setup(Level.Trial)
    public void open() {
        ModelCase made = modelCase();
        for (int i = 0; i < WINDOWS; i++) {
            int[] window = made.tokens(i, tokens + 1);
            windows[i] = new TokenBatch(1, tokens, longs(window, 0), longs(window, 1), new long[0]);
        }
        begin();
        double error;
        // All of it once before memory is measured: what libraries take at their first use and keep is not the model's.
        try (NDManager rehearsal = manager.newSubManager();
                TrainingSteps first = new TrainingSteps(rehearsal, made.build(rehearsal, precision), LEARNING_RATE)) {
            error = check(made, first, windows[0]);
        }
        Trial.begin();
        CausalLm model = made.build(manager, precision);
        steps = new TrainingSteps(manager, model, LEARNING_RATE);
        // Makes the gradients.
        steps.step(windows[0]);
        Trial.built();
        Trial.put(Metric.ERROR, error);
        state(CostModel.model(model.spec()));
        Trial.put(
                Metric.EXPECTED_PEAK_BYTES,
                MemoryEstimate.of(model, 1, tokens, AdamWSpec.builder().build().stateBytesPerParameter())
                        .bytes()
                        .total());
        Trial.ready();
    }

    private long[] longs(int[] window, int from) {
        return Arrays.stream(window, from, from + tokens).asLongStream().toArray();
    }

    /**
     * Refuses steps that do not compute the model's loss, or do not lower it.
     *
     * @return the difference of the losses with and without a tape, as a share
     */
    static double check(Object what, TrainingSteps steps, TokenBatch window) {
        double before = steps.loss(window);
        double first = steps.step(window);
        double error = Math.abs(first - before) / before;
        // Both round alike, but for sums in another order and the experts that these choose.
        if (!(error <= 1e-3)) {
            throw new IllegalStateException("a training step of " + what + " has the loss " + first
                    + ", the same model without a tape " + before);
        }
        for (int i = 1; i < CHECKED_STEPS; i++) {
            steps.step(window);
        }
        double after = steps.loss(window);
        if (!(after < before)) {
            throw new IllegalStateException(
                    CHECKED_STEPS + " training steps of " + what + " took the loss from " + before + " to " + after);
        }
        return error;
    }

    private void state(ModelCost cost) {
        Trial.put(Metric.TOKENS, tokens);
        Trial.put(Metric.FLOPS, tokens * cost.trainingFlops(tokens));
        Trial.put(Metric.PARAMETERS, (double) cost.parameters());
        Trial.put(Metric.WEIGHT_BYTES, (double) cost.weightBytes(ElementType.FLOAT32));
    }

    /**
     * One step.
     *
     * @return the loss
     */
    @Benchmark
    public double step() {
        return steps.step(windows[call++ % WINDOWS]);
    }

    /** Frees the model. */
    @TearDown(Level.Trial)
    public void close() {
        end(() -> {
            steps.close();
            manager.close();
        });
    }
}
