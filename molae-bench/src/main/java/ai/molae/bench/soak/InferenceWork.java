package ai.molae.bench.soak;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Checkpoints that are loaded in every way and continue prompts, one after the other and many at once. */
final class InferenceWork {

    private static final int NEW_TOKENS = 16;
    private static final int PROMPT = 5;

    private InferenceWork() {}

    /** How a checkpoint is loaded. */
    enum Loading {
        /** As for training. */
        FLOAT32,
        /** Packed as bfloat16. */
        PACKED_BFLOAT16,
        /** Packed as int8. */
        PACKED_INT8;

        /** A model, the manager's to close. */
        CausalLm load(Path folder, NDManager manager) throws IOException {
            try (Checkpoint checkpoint = Checkpoint.open(folder)) {
                return switch (this) {
                    case FLOAT32 -> checkpoint.load(manager, Precision.FLOAT32);
                    case PACKED_BFLOAT16 -> checkpoint.loadForInference(manager, Precision.BFLOAT16);
                    case PACKED_INT8 -> checkpoint.loadForInference(manager, Precision.INT8);
                };
            }
        }
    }

    /** Loads a checkpoint, continues prompts greedily, with draws, and several at once, and closes the model. */
    static Work generation(Path checkpoint, Loading loading) {
        return seed -> {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                Generator generator = new Generator(loading.load(checkpoint, manager));
                List<int[]> texts = new ArrayList<>();
                texts.add(generator.generate(prompt(seed, 0), Sampling.greedy(NEW_TOKENS)));
                texts.add(generator.generate(prompt(seed, 1), drawn(seed)));
                texts.addAll(generator.generate(
                        List.of(prompt(seed, 2), prompt(seed, 3), prompt(seed, 4)),
                        drawn(seed),
                        (sequence, token) -> {}));
                return text(texts);
            }
        };
    }

    /**
     * Loads a checkpoint and continues as many prompts as threads, one after the other, then all at once.
     *
     * @return the work, which throws a {@link DifferentResultException} if a thread gets other tokens than alone
     */
    static Work concurrent(Path checkpoint, Loading loading, int threads) {
        return seed -> {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                Generator generator = new Generator(loading.load(checkpoint, manager));
                List<int[]> serial = new ArrayList<>();
                List<Callable<int[]>> calls = new ArrayList<>();
                for (int i = 0; i < threads; i++) {
                    int[] prompt = prompt(seed, i);
                    Sampling sampling = i % 2 == 0 ? Sampling.greedy(NEW_TOKENS) : drawn(seed + i);
                    serial.add(generator.generate(prompt, sampling));
                    calls.add(() -> generator.generate(prompt, sampling));
                }
                checkEqual(serial, atOnce(calls));
                return text(serial);
            }
        };
    }

    private static List<int[]> atOnce(List<Callable<int[]>> calls) throws InterruptedException {
        ExecutorService pool = Executors.newFixedThreadPool(calls.size(), task -> new Thread(task, "molae-soak"));
        List<Future<int[]>> futures;
        try {
            futures = pool.invokeAll(calls);
        } finally {
            pool.shutdown();
        }
        if (!pool.awaitTermination(1, TimeUnit.MINUTES)) {
            throw new IllegalStateException("threads that generated did not end within a minute");
        }
        List<int[]> results = new ArrayList<>();
        for (Future<int[]> future : futures) {
            try {
                results.add(future.get());
            } catch (ExecutionException e) {
                throw new IllegalStateException("a generation beside others failed", e.getCause());
            }
        }
        return results;
    }

    /** Whether each thread got what it got alone. */
    static void checkEqual(List<int[]> serial, List<int[]> concurrent) {
        for (int i = 0; i < serial.size(); i++) {
            if (!Arrays.equals(serial.get(i), concurrent.get(i))) {
                throw new DifferentResultException("thread " + i + " of " + serial.size() + " got the tokens "
                        + Arrays.toString(concurrent.get(i)) + ", alone it gets " + Arrays.toString(serial.get(i)));
            }
        }
    }

    private static Sampling drawn(long seed) {
        return Sampling.builder()
                .optTemperature(1.2)
                .optTopP(0.95)
                .optSeed(seed)
                .optMaxNewTokens(NEW_TOKENS)
                .build();
    }

    /** Of different lengths. */
    private static int[] prompt(long seed, int index) {
        return SmallModels.tokens(PROMPT + 3 * (index % 4), 31 * seed + index);
    }

    private static String text(List<int[]> texts) {
        return texts.stream().map(Arrays::toString).collect(Collectors.joining("\n"));
    }
}
