package ai.molae.bench.model;

import ai.djl.ndarray.NDManager;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.ShapeBenchmark;
import ai.molae.bench.measure.Trial;
import ai.molae.bench.workload.ModelCase;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.djl.files.Folders;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
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
 * Loading a checkpoint for inference: a model with random weights, written in bfloat16 to a temporary folder, is opened, read and packed. Its files are
 * in the system's page cache, so that the disk is not in it.
 *
 * <pre>{@code
 * java -jar benchmarks.jar CheckpointLoad -p shape=QWEN3_30B_A3B -p precision=FLOAT32,BFLOAT16,INT8 -prof ai.molae.bench.measure.TrialProfiler
 * }</pre>
 *
 * <p>What to see: bytes read, those of the file, over time, in each precision; and peak memory, which is little more than what stays, because
 * weights never stand in memory in float32.
 */
// A model is loaded once by a process.
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 1)
@Measurement(iterations = 5)
@SuppressWarnings("NullAway.Init") // JMH calls open() first
public class CheckpointLoad extends ShapeBenchmark {

    /** So many prompts are read to check a model. */
    private static final int PROMPTS = 9;

    private static final int PROMPT = 16;

    /** Format of the weights in memory. */
    @Param({"BFLOAT16", "INT8"})
    public Precision precision = Precision.BFLOAT16;

    private ModelCase made;
    private NDManager manager;
    private Path folder;

    /** Made by JMH. */
    public CheckpointLoad() {}

    /**
     * Writes the checkpoint, checks the logits of the loaded model and states sizes.
     *
     * @throws IOException if writing or reading fails
     */
    @Setup(Level.Trial)
    public void open() throws IOException {
        made = new ModelCase(shape, scale, variant);
        manager = NDManager.newBaseManager();
        manager.zeros(new ai.djl.ndarray.types.Shape(1)).close();
        folder = Files.createTempDirectory("molae-bench-load");
        SyntheticCheckpoint.write(made.spec(), folder);
        List<float[]> expected;
        try (NDManager scope = manager.newSubManager();
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            expected = logits(scope, checkpoint.load(scope, Precision.FLOAT32));
        }
        // Before memory is measured, so that what libraries take at their first use is not the model's.
        List<float[]> first = firstLoad();
        Trial.begin();
        try (NDManager scope = manager.newSubManager()) {
            CausalLm model;
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                model = checkpoint.loadForInference(scope, precision);
                Trial.put(Metric.READ_BYTES, (double) checkpoint.tensors().bytes());
            }
            Trial.built();
            List<float[]> second = logits(scope, model);
            Trial.put(Metric.ERROR, LogitsCheck.check(made + " loaded", expected, second, precision));
            checkSame(first, second);
        }
        ModelCost cost = CostModel.model(made.spec());
        Trial.put(Metric.PARAMETERS, (double) cost.parameters());
        Trial.put(Metric.WEIGHT_BYTES, (double) cost.weightBytes(ElementType.valueOf(precision.name())));
        Trial.ready();
    }

    private List<float[]> firstLoad() throws IOException {
        try (NDManager scope = manager.newSubManager();
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            return logits(scope, checkpoint.loadForInference(scope, precision));
        }
    }

    /** A second load gives the same model. */
    private void checkSame(List<float[]> first, List<float[]> second) {
        for (int i = 0; i < PROMPTS; i++) {
            if (!Arrays.equals(first.get(i), second.get(i))) {
                throw new IllegalStateException("two loads of " + made + " in " + precision
                        + " give other logits for prompt " + i + ": " + first.get(i)[0] + ", ... and "
                        + second.get(i)[0] + ", ...");
            }
        }
    }

    private List<float[]> logits(NDManager scope, CausalLm model) {
        return IntStream.range(0, PROMPTS)
                .mapToObj(i -> Decoding.forward(scope, model, made.tokens(i, PROMPT), 1, PROMPT - 1))
                .toList();
    }

    /**
     * One load; the model is freed again.
     *
     * @return the number of its layers
     * @throws IOException if reading fails
     */
    @Benchmark
    public int load() throws IOException {
        try (NDManager scope = manager.newSubManager();
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            return checkpoint.loadForInference(scope, precision).layers().size();
        }
    }

    /**
     * Deletes the checkpoint.
     *
     * @throws IOException if that fails
     */
    @TearDown(Level.Trial)
    public void close() throws IOException {
        Trial.end();
        manager.close();
        Folders.delete(folder);
    }
}
