package ai.molae.djl.faults;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.PreparableBlock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/** Many threads on one block: what they get, and what they get told when the block is taken from under them. */
class ManyThreadsTest {

    private static final int THREADS = 8;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    /** The results of all threads, which begin together. */
    private static <T> List<T> together(Callable<T> work) throws Exception {
        CyclicBarrier start = new CyclicBarrier(THREADS);
        ExecutorService pool = Executors.newFixedThreadPool(THREADS);
        try {
            List<Future<T>> futures = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                futures.add(pool.submit(() -> {
                    start.await();
                    return work.call();
                }));
            }
            List<T> results = new ArrayList<>();
            for (Future<T> future : futures) {
                results.add(future.get());
            }
            return results;
        } finally {
            pool.shutdownNow();
        }
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void everyThreadGetsTheBitsOfASerialCall(TinyBlocks form) throws Exception {
        Block block = form.block(manager);
        float[] serial = form.output(block);
        for (int round = 0; round < 2; round++) {
            for (float[] output : together(() -> form.output(block))) {
                assertThat(output).isEqualTo(serial);
            }
            if (round == 0 && form != TinyBlocks.NORM) {
                ((PreparableBlock) block).prepareForInference(Precision.BFLOAT16);
                serial = form.output(block);
            }
        }
    }

    @Test
    void everyThreadGeneratesWhatOneDoes() throws Exception {
        CausalLm model = TinyBlocks.model(manager);
        Generator generator = new Generator(model);
        Sampling sampling = Sampling.builder().optSeed(3).optMaxNewTokens(8).build();
        int[] serial = generator.generate(new int[] {1, 2, 3}, sampling);
        for (int[] tokens : together(() -> generator.generate(new int[] {1, 2, 3}, sampling))) {
            assertThat(tokens).isEqualTo(serial);
        }
    }

    @ParameterizedTest
    @EnumSource(value = TinyBlocks.class, mode = Mode.EXCLUDE, names = "NORM")
    void packedWeightsThatAreFreedDuringCallsAreAnExceptionOrAResultAndNeverForeignMemory(TinyBlocks form)
            throws Exception {
        NDManager owner = manager.newSubManager();
        PreparableBlock block = (PreparableBlock) form.block(owner);
        block.prepareForInference(Precision.BFLOAT16);
        float[] serial = form.output(block);
        AtomicBoolean first = new AtomicBoolean(true);
        CyclicBarrier middle = new CyclicBarrier(THREADS);
        List<String> ends = together(() -> {
            assertThat(form.output(block)).isEqualTo(serial);
            middle.await();
            if (first.getAndSet(false)) {
                owner.close();
                return "is freed";
            }
            while (true) {
                try {
                    assertThat(form.output(block)).isEqualTo(serial);
                } catch (IllegalStateException e) {
                    return String.valueOf(e.getMessage());
                }
            }
        });
        assertThat(ends).allSatisfy(message -> assertThat(message).containsAnyOf("freed", "released"));
    }
}
