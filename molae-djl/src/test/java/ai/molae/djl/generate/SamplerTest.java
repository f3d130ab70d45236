package ai.molae.djl.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.BitSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplerTest {

    private static final BitSet NONE = new BitSet();
    /** Probabilities 1/10, 4/10, 2/10, 3/10. */
    private static final float[] LOGITS = {0, (float) Math.log(4), (float) Math.log(2), (float) Math.log(3)};

    private static double[] probabilities(Sampling.Builder sampling, float... scores) {
        return new Sampler(sampling.build()).probabilities(scores);
    }

    @Test
    void drawsFromTheSoftmaxByDefault() {
        assertThat(probabilities(Sampling.builder(), LOGITS))
                .containsExactly(new double[] {0.1, 0.4, 0.2, 0.3}, within(1e-7));
    }

    @Test
    void dividesLogitsByTheTemperature() {
        // Probabilities to the power 1/T: 1, 16, 4, 9 of 30.
        assertThat(probabilities(Sampling.builder().optTemperature(0.5), LOGITS))
                .containsExactly(new double[] {1 / 30.0, 16 / 30.0, 4 / 30.0, 9 / 30.0}, within(1e-7));
    }

    @Test
    void keepsTheTopKTokens() {
        assertThat(probabilities(Sampling.builder().optTopK(2), LOGITS))
                .containsExactly(new double[] {0, 4 / 7.0, 0, 3 / 7.0}, within(1e-7));
        assertThat(probabilities(Sampling.builder().optTopK(9), LOGITS))
                .containsExactly(new double[] {0.1, 0.4, 0.2, 0.3}, within(1e-7));
    }

    @Test
    void keepsTheFewestTokensThatReachTopP() {
        // 0.4 < 0.5 <= 0.4 + 0.3
        assertThat(probabilities(Sampling.builder().optTopP(0.5), LOGITS))
                .containsExactly(new double[] {0, 4 / 7.0, 0, 3 / 7.0}, within(1e-7));
        // 0.7 < 0.75 <= 0.9
        assertThat(probabilities(Sampling.builder().optTopP(0.75), LOGITS))
                .containsExactly(new double[] {0, 4 / 9.0, 2 / 9.0, 3 / 9.0}, within(1e-7));
        assertThat(probabilities(Sampling.builder().optTopP(1e-9), LOGITS)).containsExactly(0, 1, 0, 0);
    }

    @Test
    void appliesTopPToWhatTopKLeaves() {
        // Of 4/7 and 3/7 the first reaches 0.55; of 0.4, 0.3, ... it takes two.
        assertThat(probabilities(Sampling.builder().optTopK(2).optTopP(0.55), LOGITS))
                .containsExactly(0, 1, 0, 0);
    }

    @Test
    void appliesTemperatureBeforeTopP() {
        // 16/30 reaches 0.5 at temperature 1/2; 0.4 does not at temperature 1.
        assertThat(probabilities(Sampling.builder().optTemperature(0.5).optTopP(0.5), LOGITS))
                .containsExactly(0, 1, 0, 0);
    }

    @Test
    void keepsTokensThatAreProbableEnoughBesideTheBest() {
        // 0.4 · 0.6 = 0.24 lies between 0.2 and 0.3.
        assertThat(probabilities(Sampling.builder().optMinP(0.6), LOGITS))
                .containsExactly(new double[] {0, 4 / 7.0, 0, 3 / 7.0}, within(1e-7));
        assertThat(probabilities(Sampling.builder().optMinP(0.24), LOGITS))
                .containsExactly(new double[] {0.1, 0.4, 0.2, 0.3}, within(1e-7));
        assertThat(probabilities(Sampling.builder().optMinP(1), LOGITS)).containsExactly(0, 1, 0, 0);
    }

    @Test
    void appliesMinPAfterTemperatureAndTopP() {
        // At temperature 1/2 the probabilities are 1, 16, 4, 9 of 30: 9 < 16 · 0.6, at temperature 1 3 >= 4 · 0.6.
        assertThat(probabilities(Sampling.builder().optTemperature(0.5).optMinP(0.6), LOGITS))
                .containsExactly(0, 1, 0, 0);
        // Top-p takes 0.4 and 0.3, and min-p leaves both. The other way round 4/7 alone would reach 0.5.
        assertThat(probabilities(Sampling.builder().optTopP(0.5).optMinP(0.7), LOGITS))
                .containsExactly(new double[] {0, 4 / 7.0, 0, 3 / 7.0}, within(1e-7));
        assertThat(probabilities(Sampling.builder().optTopK(3).optMinP(0.2), LOGITS))
                .containsExactly(new double[] {0, 4 / 9.0, 2 / 9.0, 3 / 9.0}, within(1e-7));
    }

    @Test
    void tellsTheLogProbabilityOfTheModelItself() {
        Sampling sampling = Sampling.builder()
                .optTemperature(0.1)
                .optTopK(1)
                .optRepetitionPenalty(3)
                .build();
        BitSet seen = new BitSet();
        seen.set(1);
        // The penalty turns log 4 into log 4 / 3 and so makes token 3 the best; the model itself gives it 3/10.
        Sampler.Choice choice = new Sampler(sampling).choose(LOGITS, seen, 2);
        assertThat(choice.token()).isEqualTo(3);
        assertThat(choice.logprob()).isCloseTo(Math.log(0.3), within(1e-7));
        assertThat(choice.top()).extracting(Sampler.TokenLogprob::token).containsExactly(1, 3);
        assertThat(choice.top().get(0).logprob()).isCloseTo(Math.log(0.4), within(1e-7));
        assertThat(choice.top().get(1).logprob()).isCloseTo(Math.log(0.3), within(1e-7));
        assertThat(Sampler.logprob(LOGITS, 2)).isCloseTo(Math.log(0.2), within(1e-7));
    }

    @Test
    void tellsAsManyAlternativesAsAskedForOrThereAre() {
        Sampler sampler = new Sampler(Sampling.greedy(1));
        assertThat(sampler.choose(LOGITS, NONE, 0).top()).isEmpty();
        assertThat(sampler.choose(LOGITS, NONE, 9).top())
                .extracting(Sampler.TokenLogprob::token)
                .containsExactly(1, 3, 2, 0);
        assertThat(sampler.choose(new float[] {5, 5, 5}, NONE, 2).top())
                .extracting(Sampler.TokenLogprob::token)
                .containsExactly(0, 1);
        assertThatThrownBy(() -> sampler.choose(LOGITS, NONE, -1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("topLogprobs must be at least 0, got -1");
    }

    @Test
    void choosesTheSameTokensWithAndWithoutLogProbabilities() {
        Sampler sampler = new Sampler(Sampling.builder().optSeed(5).build());
        assertThat(IntStream.range(0, 50)
                        .map(i -> sampler.choose(LOGITS, NONE, i % 3).token()))
                .containsExactly(IntStream.of(draws(5)).boxed().toArray(Integer[]::new));
    }

    @Test
    void logProbabilitiesSurviveLogitsThatOverflowTheExponential() {
        assertThat(Sampler.logprob(new float[] {1000, 1000, Float.NEGATIVE_INFINITY}, 0))
                .isCloseTo(-Math.log(2), within(1e-12));
        assertThat(Sampler.logprob(new float[] {0, Float.NEGATIVE_INFINITY}, 1)).isEqualTo(Double.NEGATIVE_INFINITY);
        assertThatThrownBy(() -> Sampler.logprob(LOGITS, 4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("token 4 has no logit, there are 4");
        assertThatThrownBy(() -> Sampler.logprob(new float[] {Float.NaN}, 0)).hasMessageContaining("logit 0 is NaN");
    }

    @Test
    void prefersTheLowerIdAmongEquals() {
        assertThat(probabilities(Sampling.builder().optTopK(2), 1, 1, 1, 1)).containsExactly(0.5, 0.5, 0, 0);
        assertThat(probabilities(Sampling.builder().optTopP(0.5), -1, -1, -1, -1))
                .containsExactly(0.5, 0.5, 0, 0);
        assertThat(probabilities(Sampling.builder().optTopK(1), -0f, 0f)).containsExactly(1, 0);
        assertThat(new Sampler(Sampling.greedy(1)).next(new float[] {1, 7, 7, 2}, NONE))
                .isEqualTo(1);
    }

    @Test
    void penalizesSeenTokensOfEitherSign() {
        BitSet seen = new BitSet();
        seen.set(0);
        seen.set(1);
        Sampler sampler = new Sampler(Sampling.builder().optRepetitionPenalty(2).build());
        assertThat(sampler.penalized(new float[] {3, -3, 3, -3}, seen)).containsExactly(1.5f, -6, 3, -3);
    }

    @Test
    void greedyTakesTheBestAfterThePenalty() {
        BitSet seen = new BitSet();
        seen.set(1);
        float[] logits = {0, 4, 3, 1};
        Sampling greedy =
                Sampling.builder().optTemperature(0).optRepetitionPenalty(1.5).build();
        assertThat(new Sampler(greedy).next(logits, NONE)).isEqualTo(1);
        assertThat(new Sampler(greedy).next(logits, seen)).isEqualTo(2);
        assertThat(logits).containsExactly(0, 4, 3, 1);
    }

    @Test
    void drawsEachTokenAsOftenAsItIsProbable() {
        Sampler sampler = new Sampler(Sampling.builder().optSeed(17).build());
        int draws = 20_000;
        double[] share = new double[4];
        for (int i = 0; i < draws; i++) {
            share[sampler.next(LOGITS, NONE)] += 1.0 / draws;
        }
        // Four standard deviations of the largest, sqrt(0.4 * 0.6 / 20000) = 0.0035.
        assertThat(share).containsExactly(new double[] {0.1, 0.4, 0.2, 0.3}, within(0.014));
    }

    @Test
    void repeatsItselfWithTheSameSeedOnly() {
        assertThat(draws(5)).isEqualTo(draws(5)).isNotEqualTo(draws(6));
    }

    private static int[] draws(long seed) {
        Sampler sampler = new Sampler(Sampling.builder().optSeed(seed).build());
        return IntStream.range(0, 50).map(i -> sampler.next(LOGITS, NONE)).toArray();
    }

    @Test
    void neverDrawsATokenOfMinusInfinity() {
        Sampler sampler = new Sampler(Sampling.builder().optTemperature(10).build());
        float[] logits = {Float.NEGATIVE_INFINITY, 0, Float.NEGATIVE_INFINITY};
        assertThat(IntStream.range(0, 100).map(i -> sampler.next(logits, NONE))).containsOnly(1);
    }

    @Test
    void survivesTemperaturesThatOverflow() {
        assertThat(probabilities(Sampling.builder().optTemperature(1e-300), LOGITS))
                .containsExactly(0, 1, 0, 0);
    }

    @Test
    void refusesLogitsThatAreNoNumbers() {
        Sampler sampler = new Sampler(Sampling.greedy(1));
        assertThatThrownBy(() -> sampler.next(new float[] {0, Float.NaN}, NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("logit 1 is NaN");
        assertThatThrownBy(() -> sampler.next(new float[] {Float.POSITIVE_INFINITY}, NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("logit 0 is Infinity");
        assertThatThrownBy(() -> sampler.next(new float[] {Float.NEGATIVE_INFINITY}, NONE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("none of the 1 logits");
    }
}
