package ai.molae.djl.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.UninitializedParameterException;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BatchTest {

    private static final List<int[]> PROMPTS =
            List.of(new int[] {3, 1, 4}, new int[] {7}, new int[] {2, 7, 1, 8, 2, 8, 1, 8}, new int[] {9, 9});
    private static final TokenListener NOBODY = (sequence, token) -> {};

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private static void assertSame(List<int[]> texts, List<int[]> expected) {
        assertThat(texts).hasSameSizeAs(expected);
        for (int i = 0; i < texts.size(); i++) {
            assertThat(texts.get(i)).as("sequence " + i).containsExactly(expected.get(i));
        }
    }

    private static List<int[]> alone(Generator generator, Sampling sampling) {
        return PROMPTS.stream()
                .map(prompt -> generator.generate(prompt, sampling))
                .toList();
    }

    @ParameterizedTest
    @EnumSource(TinyModels.class)
    void givesEachPromptTheTextItGetsAlone(TinyModels tiny) {
        Generator generator = new Generator(tiny.model(manager));
        List<int[]> expected = alone(generator, Sampling.greedy(12));
        assertThat(distinct(expected)).hasSizeGreaterThan(8);
        assertSame(generator.generate(PROMPTS, Sampling.greedy(12), NOBODY), expected);
    }

    private static Set<Integer> distinct(List<int[]> texts) {
        Set<Integer> tokens = new LinkedHashSet<>();
        texts.forEach(text -> Arrays.stream(text).forEach(tokens::add));
        return tokens;
    }

    @ParameterizedTest
    @EnumSource(TinyModels.class)
    void readsPromptsInChunksAsAtOnce(TinyModels tiny) {
        CausalLm model = tiny.model(manager);
        List<int[]> expected = alone(new Generator(model), Sampling.greedy(3));
        for (int chunk : new int[] {1, 3}) {
            Generator chunked =
                    Generator.builder().setModel(model).optPrefillChunk(chunk).build();
            assertSame(alone(chunked, Sampling.greedy(3)), expected);
        }
        // Twelve tokens are three columns of four sequences.
        Generator chunked =
                Generator.builder().setModel(model).optPrefillChunk(12).build();
        assertSame(chunked.generate(PROMPTS, Sampling.greedy(3), NOBODY), expected);
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void continuesWithAPreparedModelToo(Precision precision) {
        CausalLm model = TinyModels.LATENT.model(manager);
        model.prepareForInference(precision);
        Generator generator = new Generator(model);
        assertSame(generator.generate(PROMPTS, Sampling.greedy(6), NOBODY), alone(generator, Sampling.greedy(6)));
    }

    @Test
    void letsEachSequenceGoToTheEndOfItsOwnPositions() {
        Generator generator = new Generator(TinyModels.GROUPED_QUERY.model(manager));
        List<Generation> texts = generator.complete(PROMPTS, Sampling.greedy(1000), NOBODY);
        assertThat(texts).extracting(Generation::stopReason).containsOnly(StopReason.CONTEXT_FULL);
        assertThat(texts).extracting(text -> text.tokens().length).containsExactly(21, 23, 16, 22);
        assertSame(texts.stream().map(Generation::tokens).toList(), alone(generator, Sampling.greedy(1000)));
    }

    @Test
    void drawsForEachSequenceWithASeedOfItsOwn() {
        Generator generator = new Generator(TinyModels.GROUPED_QUERY.model(manager));
        Sampling.Builder sampling = Sampling.builder()
                .optMaxNewTokens(10)
                .optTopP(0.95)
                .optMinP(0.01)
                .optRepetitionPenalty(1.1);
        List<int[]> same = List.of(PROMPTS.get(0), PROMPTS.get(0), PROMPTS.get(1));
        List<int[]> texts = generator.generate(same, sampling.optSeed(40).build(), NOBODY);
        for (int i = 0; i < 3; i++) {
            assertThat(texts.get(i))
                    .containsExactly(generator.generate(
                            same.get(i), sampling.optSeed(40 + i).build()));
        }
        assertThat(texts.get(0)).isNotEqualTo(texts.get(1));
    }

    @Test
    void endsEachSequenceAtItsStopTokenAndTellsWhy() {
        Generator generator = new Generator(TinyModels.GROUPED_QUERY.model(manager));
        List<int[]> free = alone(generator, Sampling.greedy(10));
        int stop = free.get(1)[2];
        Sampling sampling = Sampling.builder()
                .optTemperature(0)
                .optMaxNewTokens(10)
                .optStopTokens(List.of(stop))
                .build();
        List<int[]> expected = free.stream().map(text -> before(text, stop)).toList();
        List<List<Integer>> told = PROMPTS.stream()
                .map(prompt -> (List<Integer>) new ArrayList<Integer>())
                .toList();

        List<Generation> texts = generator.complete(
                PROMPTS, sampling, (sequence, token) -> told.get(sequence).add(token));

        assertSame(texts.stream().map(Generation::tokens).toList(), expected);
        for (int i = 0; i < PROMPTS.size(); i++) {
            boolean stopped = expected.get(i).length < 10;
            assertThat(texts.get(i).stopReason())
                    .isEqualTo(stopped ? StopReason.STOP_TOKEN : StopReason.MAX_NEW_TOKENS);
            assertThat(told.get(i))
                    .containsExactlyElementsOf(
                            Arrays.stream(expected.get(i)).boxed().toList());
        }
        assertThat(texts).extracting(Generation::stopReason).contains(StopReason.STOP_TOKEN, StopReason.MAX_NEW_TOKENS);
    }

    private static int[] before(int[] text, int stop) {
        return Arrays.stream(text).takeWhile(token -> token != stop).toArray();
    }

    @Test
    void tellsLogProbabilitiesWhenAsked() {
        CausalLm model = TinyModels.GROUPED_QUERY.model(manager);
        Generator telling =
                Generator.builder().setModel(model).optTopLogprobs(3).build();
        List<Sampler.Choice> told = new ArrayList<>();
        TokenListener listener = new TokenListener() {
            @Override
            public void onToken(int sequence, int token) {
                throw new AssertionError("onChoice comes in its place");
            }

            @Override
            public void onChoice(int sequence, Sampler.Choice choice) {
                told.add(choice);
            }
        };

        Generation text = telling.complete(PROMPTS.subList(0, 1), Sampling.greedy(5), listener)
                .get(0);

        assertThat(text.tokens()).containsExactly(new Generator(model).generate(PROMPTS.get(0), Sampling.greedy(5)));
        assertThat(text.choices()).isEqualTo(told).hasSize(5).allSatisfy(choice -> {
            assertThat(choice.top()).hasSize(3).isSortedAccordingTo((a, b) -> Double.compare(b.logprob(), a.logprob()));
            assertThat(choice.top().get(0)).isEqualTo(new Sampler.TokenLogprob(choice.token(), choice.logprob()));
        });
        assertThat(text.logprobs())
                .containsExactly(
                        told.stream().mapToDouble(Sampler.Choice::logprob).toArray());
        assertThat(Arrays.stream(text.logprobs())).allMatch(logprob -> logprob < 0 && logprob > -4);
        Generation silent = new Generator(model).complete(PROMPTS.get(0), Sampling.greedy(5));
        assertThat(silent.choices()).isEmpty();
        assertThat(silent.logprobs()).isEmpty();
    }

    @Test
    void holdsTheCacheAloneAtEveryStepAndNothingAtTheEnd() {
        CausalLm model = TinyModels.SLIDING_WINDOW.model(manager);
        try (NDManager own = NDManager.newBaseManager()) {
            Set<Integer> counts = new LinkedHashSet<>();
            new Batch(model, PROMPTS, Sampling.greedy(12), OptionalInt.empty())
                    .run(
                            own,
                            4,
                            (sequence, token) ->
                                    counts.add(own.getManagedArrays().size()));
            // Keys and values of three layers, and which positions are padding.
            assertThat(counts).containsExactly(7);
            assertThat(own.getManagedArrays()).isEmpty();
        }
    }

    @Test
    void freesTheCacheWhenItsListenerThrows() {
        CausalLm model = TinyModels.GROUPED_QUERY.model(manager);
        try (NDManager own = NDManager.newBaseManager()) {
            Batch batch = new Batch(model, PROMPTS, Sampling.greedy(12), OptionalInt.empty());
            assertThatThrownBy(() -> batch.run(own, 512, (sequence, token) -> {
                        throw new IllegalStateException("enough");
                    }))
                    .hasMessage("enough");
            assertThat(own.getManagedArrays()).isEmpty();
        }
    }

    @Test
    void endsWithTheCacheFreedWhenTheThreadIsInterrupted() {
        CausalLm model = TinyModels.GROUPED_QUERY.model(manager);
        try (NDManager own = NDManager.newBaseManager()) {
            Batch batch = new Batch(model, PROMPTS, Sampling.greedy(12), OptionalInt.empty());
            assertThatThrownBy(() -> batch.run(own, 512, (sequence, token) -> Thread.currentThread()
                            .interrupt()))
                    .isInstanceOf(CancellationException.class)
                    .hasMessage("the generation was interrupted when it had read 8 tokens of each sequence");
            assertThat(Thread.interrupted()).isTrue();
            assertThat(own.getManagedArrays()).isEmpty();
        }
    }

    @Test
    void saysWhichPromptItCannotContinue() {
        Generator generator = new Generator(TinyModels.GROUPED_QUERY.model(manager));
        Sampling greedy = Sampling.greedy(1);
        assertThat(generator.generate(List.of(), greedy, NOBODY)).isEmpty();
        assertThatThrownBy(() -> generator.generate(List.of(new int[1], new int[0]), greedy, NOBODY))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("prompt 1 is empty; start with a begin-of-text token");
        assertThatThrownBy(() -> generator.generate(List.of(new int[1], new int[24]), greedy, NOBODY))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("prompt 1 has 24 tokens", "maxPositionEmbeddings = 24");
        assertThatThrownBy(() -> generator.generate(List.of(new int[9], new int[] {1, 50}), greedy, NOBODY))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("token id 50 of sequence 1, position 1");
    }

    @Test
    void refusesABuilderWithoutModelOrWithImpossibleNumbers() {
        assertThatThrownBy(() -> Generator.builder().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("setModel");
        assertThatThrownBy(() -> Generator.builder().optPrefillChunk(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("prefillChunk must be positive, got 0");
        assertThatThrownBy(() -> Generator.builder().optTopLogprobs(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("topLogprobs must be at least 0, got -1");
        CausalLm empty = CausalLm.builder().setSpec(TinyModels.LATENT.spec()).build();
        assertThatThrownBy(() -> new Generator(empty).generate(PROMPTS.get(0), Sampling.greedy(1)))
                .isInstanceOf(UninitializedParameterException.class)
                .hasMessage("the model has no weights yet; initialize or load it first");
    }
}
