package ai.molae.bench.table;

import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.bench.model.Decoding;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.work.Interruption;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.KvCache;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * Times a checkpoint as llama.cpp's llama-bench does: prompts of random tokens are read (pp), and random tokens are read one by one as if they had been
 * generated (tg), each after one run to warm up, in every precision and with every number of threads. Tokens are not sampled; no
 * tokenizer is needed.
 *
 * <pre>{@code
 * ModelTable.Settings settings = new ModelTable.Settings(
 *         folder, List.of(new SpeedTest(SpeedTest.Kind.PROMPT, 512)), 5, List.of(Precision.BFLOAT16), List.of());
 * List<ModelSpeed> speeds = new ModelTable(settings, new PrintWriter(System.err), interruption).measure();
 * }</pre>
 */
public final class ModelTable {

    /** How many tokens of a prompt are read together, as generation reads them. */
    private static final int CHUNK = 512;

    private static final int SEED = 42;

    private final Settings settings;
    private final PrintWriter err;
    private final Interruption interruption;

    /**
     * What to measure.
     *
     * @param folder the checkpoint
     * @param tests what is timed
     * @param repetitions of each test, after one to warm up
     * @param precisions formats of the weights
     * @param threads numbers of threads; empty for as many as libtorch takes by itself
     */
    public record Settings(
            Path folder, List<SpeedTest> tests, int repetitions, List<Precision> precisions, List<Integer> threads) {

        /**
         * Copies the lists and checks the number.
         *
         * @param folder the checkpoint
         * @param tests what is timed
         * @param repetitions of each test
         * @param precisions formats of the weights
         * @param threads numbers of threads
         * @throws IllegalArgumentException if there are no repetitions
         */
        public Settings {
            tests = List.copyOf(tests);
            precisions = List.copyOf(precisions);
            threads = List.copyOf(threads);
            if (repetitions < 1) {
                throw new IllegalArgumentException("repetitions must be at least 1, got " + repetitions);
            }
        }
    }

    /**
     * A table to measure.
     *
     * @param settings what to measure
     * @param err told of each test
     * @param interruption ends it
     */
    public ModelTable(Settings settings, PrintWriter err, Interruption interruption) {
        this.settings = settings;
        this.err = err;
        this.interruption = interruption;
    }

    /**
     * Measures. Sets the number of libtorch's threads, for the process, if that was asked for, and sets it back.
     *
     * @return the speeds: precision by precision, threads by threads, test by test
     * @throws IOException if the checkpoint cannot be read
     * @throws IllegalArgumentException if the folder is no checkpoint, or has fewer positions than a test has tokens
     */
    public List<ModelSpeed> measure() throws IOException {
        List<ModelSpeed> speeds = new ArrayList<>();
        try (Checkpoint checkpoint = Checkpoints.open(settings.folder())) {
            settings.tests().forEach(test -> test.check(checkpoint.spec().maxPositionEmbeddings()));
            int before = JniUtils.getNumThreads();
            List<Integer> threads = settings.threads().isEmpty() ? List.of(before) : settings.threads();
            try {
                for (Precision precision : settings.precisions()) {
                    for (int count : threads) {
                        JniUtils.setNumThreads(count);
                        speeds.addAll(measure(checkpoint, precision, count));
                    }
                }
            } finally {
                JniUtils.setNumThreads(before);
            }
        }
        return speeds;
    }

    /** Loads for each number of threads: which layout of the weights is fastest depends on it. */
    private List<ModelSpeed> measure(Checkpoint checkpoint, Precision precision, int threads) throws IOException {
        List<ModelSpeed> speeds = new ArrayList<>();
        ModelCost cost = CostModel.model(checkpoint.spec());
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model =
                    new Checkpoints.Loading(err, false, interruption).forInference(checkpoint, manager, precision);
            for (SpeedTest test : settings.tests()) {
                ModelSpeed speed = new ModelSpeed(
                        checkpoint.folder().toRealPath().getFileName().toString(),
                        checkpoint.config().modelType(),
                        cost.weightBytes(ElementType.valueOf(precision.name())),
                        cost.parameters(),
                        model.device().toString(),
                        precision,
                        threads,
                        test,
                        samples(manager, model, test));
                speeds.add(speed);
                tell(speed);
            }
        }
        NativeMemory.trim();
        return speeds;
    }

    private void tell(ModelSpeed speed) {
        err.printf(
                Locale.ROOT,
                "%s %s, %d threads: %s %.2f ± %.2f tokens/s%n",
                speed.folder(),
                speed.precision().name().toLowerCase(Locale.ROOT),
                speed.threads(),
                speed.test(),
                speed.mean(),
                speed.standardDeviation());
        err.flush();
    }

    private List<Double> samples(NDManager manager, CausalLm model, SpeedTest test) {
        Random random = new Random(SEED);
        List<Double> samples = new ArrayList<>();
        try (KvCache cache = new KvCache(model.spec(), manager, 1, test.tokens())) {
            run(manager, model, test, cache, random);
            for (int i = 0; i < settings.repetitions(); i++) {
                long start = System.nanoTime();
                run(manager, model, test, cache, random);
                samples.add(test.tokens() / ((System.nanoTime() - start) * 1e-9));
            }
        }
        return samples;
    }

    private void run(NDManager manager, CausalLm model, SpeedTest test, KvCache cache, Random random) {
        int together = test.kind() == SpeedTest.Kind.PROMPT ? CHUNK : 1;
        cache.reset();
        while (cache.length() < test.tokens()) {
            interruption.check();
            int count = Math.min(together, test.tokens() - cache.length());
            int[] tokens = random.ints(count, 0, model.spec().vocabSize()).toArray();
            Decoding.decode(manager, model, tokens, cache);
        }
    }
}
