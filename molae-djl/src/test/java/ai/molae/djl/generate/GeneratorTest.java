package ai.molae.djl.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class GeneratorTest {

    private static final int[] PROMPT = {3, 1, 4};

    private static NDManager manager;
    private static CausalLm model;
    private static Generator generator;

    @BeforeAll
    static void build() {
        manager = NDManager.newBaseManager();
        Engine.getInstance().setRandomSeed(5);
        model = CausalLm.builder().setSpec(spec(50, 24)).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 24));
        generator = new Generator(model);
    }

    private static ModelSpec spec(int vocabSize, int maxPositionEmbeddings) {
        return ModelSpec.builder()
                .setVocabSize(vocabSize)
                .setAttention(new GroupedQueryAttentionSpec(4, 2, 8, 100, false, QkNorm.NONE))
                .addLayers(1, DenseSpec.swiglu(16, 24))
                .addLayers(
                        1,
                        MoeSpec.builder()
                                .setHiddenSize(16)
                                .setIntermediateSize(8)
                                .setNumExperts(4)
                                .setTopK(2)
                                .build())
                .optMaxPositionEmbeddings(maxPositionEmbeddings)
                .optInitializerRange(0.5)
                .build();
    }

    @AfterAll
    static void close() {
        manager.close();
    }

    @Test
    void tellsOfEachTokenOfACompletion() {
        List<Integer> told = new ArrayList<>();

        Generation completion = generator.complete(PROMPT, Sampling.greedy(5), told::add);

        assertThat(told)
                .hasSize(5)
                .isEqualTo(Arrays.stream(completion.tokens()).boxed().toList());
        assertThat(completion.tokens()).isEqualTo(generator.generate(PROMPT, Sampling.greedy(5)));
        assertThat(completion.stopReason()).isEqualTo(StopReason.MAX_NEW_TOKENS);
    }

    @Test
    void takesTheMostProbableTokenOfAFullForwardEachTime() {
        int[] text = PROMPT;
        for (int i = 0; i < 8; i++) {
            try (NDManager own = NDManager.newBaseManager()) {
                NDArray logits = model.forward(
                                new ParameterStore(own, false),
                                new NDList(own.create(text, new Shape(1, text.length))),
                                false)
                        .head();
                text = Arrays.copyOf(text, text.length + 1);
                text[text.length - 1] = (int) logits.get("0, -1").argMax().getLong();
            }
        }
        assertThat(generator.generate(PROMPT, Sampling.greedy(8)))
                .containsExactly(Arrays.copyOfRange(text, PROMPT.length, text.length));
    }

    @Test
    void tellsOfEachTokenWhenItIsMade() {
        List<Integer> told = new ArrayList<>();
        int[] made = generator.generate(PROMPT, Sampling.greedy(6), told::add);
        assertThat(made).hasSize(6);
        assertThat(told).containsExactlyElementsOf(Arrays.stream(made).boxed().toList());
    }

    @Test
    void endsWhenTheListenerThrows() {
        List<Integer> told = new ArrayList<>();
        assertThatThrownBy(() -> generator.generate(PROMPT, Sampling.greedy(6), token -> {
                    told.add(token);
                    if (told.size() == 2) {
                        throw new IllegalStateException("enough");
                    }
                }))
                .hasMessage("enough");
        assertThat(told).hasSize(2);
    }

    @Test
    void repeatsItselfWithTheSameSeedOnly() {
        Sampling.Builder sampling =
                Sampling.builder().optMaxNewTokens(20).optTopK(20).optTopP(0.95);
        int[] first = generator.generate(PROMPT, sampling.optSeed(1).build());
        assertThat(generator.generate(PROMPT, sampling.optSeed(1).build())).isEqualTo(first);
        assertThat(generator.generate(PROMPT, sampling.optSeed(2).build())).isNotEqualTo(first);
    }

    @Test
    void endsBeforeAStopTokenWithoutTellingIt() {
        int[] free = generator.generate(PROMPT, Sampling.greedy(8));
        int stop = free[3];
        int before = 0;
        while (free[before] != stop) {
            before++;
        }
        List<Integer> told = new ArrayList<>();
        Sampling sampling = Sampling.builder()
                .optTemperature(0)
                .optMaxNewTokens(8)
                .optStopTokens(List.of(stop, 49))
                .build();
        assertThat(generator.generate(PROMPT, sampling, told::add)).containsExactly(Arrays.copyOf(free, before));
        assertThat(told).hasSize(before).doesNotContain(stop);
    }

    @Test
    void countsThePromptAsSeenForTheRepetitionPenalty() {
        int next = generator.generate(PROMPT, Sampling.greedy(1))[0];
        int[] repeating = {next, 3, 1, 4};
        BitSet seen = new BitSet();
        Arrays.stream(repeating).forEach(seen::set);
        Sampling strict = Sampling.builder()
                .optTemperature(0)
                .optRepetitionPenalty(1e6)
                .optMaxNewTokens(20)
                .build();
        for (int token : generator.generate(repeating, strict)) {
            assertThat(seen.get(token)).isFalse();
            seen.set(token);
        }
    }

    @Test
    void endsWhereTheModelsPositionsEnd() {
        assertThat(generator.generate(PROMPT, Sampling.greedy(1000))).hasSize(24 - PROMPT.length);
        assertThat(generator.generate(new int[23], Sampling.greedy(5))).hasSize(1);
    }

    @Test
    void refusesPromptsItCannotContinue() {
        assertThatThrownBy(() -> generator.generate(new int[0], Sampling.greedy(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the prompt is empty");
        assertThatThrownBy(() -> generator.generate(new int[24], Sampling.greedy(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("24 tokens")
                .hasMessageContaining("maxPositionEmbeddings = 24");
        assertThatThrownBy(() -> generator.generate(new int[] {3, 50}, Sampling.greedy(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("token id 50 of sequence 0, position 1");
    }

    @Test
    void generatesOnFourThreadsAsOnOne() throws Exception {
        List<int[]> serial = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            serial.add(generateWith(i));
        }
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try {
            List<Future<int[]>> parallel = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                int seed = i % 8;
                Callable<int[]> task = () -> generateWith(seed);
                parallel.add(pool.submit(task));
            }
            for (int i = 0; i < 40; i++) {
                assertThat(parallel.get(i).get()).isEqualTo(serial.get(i % 8));
            }
        } finally {
            pool.shutdown();
        }
    }

    private static int[] generateWith(int seed) {
        int[] prompt = {seed, 2 * seed, 7};
        return generator.generate(
                prompt, Sampling.builder().optSeed(seed).optMaxNewTokens(15).build());
    }

    /**
     * One array of logits is 800 KB here and the cache of one call 5 MB: losing one of either per call would add at least 80 MB from one
     * hundred calls to the next. Tolerated is half of that, for the JVM's compiler takes tens of megabytes from the same heap. (Under
     * {@code -Xint}, without it, 400 calls leave the figure within 10 KB.)
     */
    @Test
    void holdsNoNativeMemoryBetweenCalls() {
        Assumptions.assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        try (NDManager own = NDManager.newBaseManager()) {
            CausalLm wide = CausalLm.builder().setSpec(spec(200_000, 20_000)).build();
            wide.initialize(own, DataType.FLOAT32, new Shape(1, 1));
            int arrays = own.getManagedArrays().size();
            Generator wideGenerator = new Generator(wide);
            int third = wideGenerator.generate(PROMPT, Sampling.greedy(3))[2];
            // The cache is made for all tokens asked for, the stop token ends the text early.
            Sampling sampling = Sampling.builder()
                    .optTemperature(0)
                    .optMaxNewTokens(20_000)
                    .optStopTokens(List.of(third))
                    .build();

            leastInUse(wideGenerator, sampling);
            long before = leastInUse(wideGenerator, sampling);
            long after = leastInUse(wideGenerator, sampling);

            assertThat(after - before).isLessThan(40_000_000);
            assertThat(own.getManagedArrays()).hasSize(arrays);
        }
    }

    private static long leastInUse(Generator generator, Sampling sampling) {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 100; i++) {
            assertThat(generator.generate(PROMPT, sampling)).hasSizeLessThan(3);
            least = Math.min(least, NativeMemory.inUse().orElseThrow());
        }
        return least;
    }
}
