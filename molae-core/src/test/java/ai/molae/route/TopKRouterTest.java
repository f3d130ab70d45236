package ai.molae.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.testing.RandomSpecs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class TopKRouterTest {

    private static final double[] NO_BIAS = {};

    /** Softmax of these is 0.1, 0.2, 0.3, 0.4. */
    private static final double[] TENTHS = {Math.log(1), Math.log(2), Math.log(3), Math.log(4)};

    /** Sigmoid of these is 0.5, 0.75, 0.8, 0.2. */
    private static final double[] ODDS = {0, Math.log(3), Math.log(4), -Math.log(4)};

    @Nested
    class Families {

        @Test
        void mixtralSoftmaxesTheChosenLogits() {
            RouterSpec mixtral = RouterSpec.builder()
                    .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                    .build();
            assertRouted(route(2, mixtral, TENTHS), new int[] {3, 2}, 4. / 7, 3. / 7);
        }

        @Test
        void qwen2AndOlmoeLeaveTheWeightsUnnormalised() {
            RouterSpec qwen2 = RouterSpec.builder().optNormTopkProb(false).build();
            assertRouted(route(2, qwen2, TENTHS), new int[] {3, 2}, 0.4, 0.3);
        }

        @Test
        void qwen3NormalisesTheChosenProbabilities() {
            assertRouted(route(2, RouterSpec.builder().build(), TENTHS), new int[] {3, 2}, 4. / 7, 3. / 7);
        }

        @Test
        void deepSeekV2ChoosesInsideTheGroupsOfLargestMaximum() {
            RouterSpec deepSeekV2 = RouterSpec.builder()
                    .optNormTopkProb(false)
                    .optRoutedScalingFactor(16)
                    .optGroupLimit(2, 1, GroupScore.MAX)
                    .build();
            // s = 0.1, 0.4 | 0.3, 0.2: the maximum of the first group wins, though the second has the second best
            // expert
            double[] logits = {TENTHS[0], TENTHS[3], TENTHS[2], TENTHS[1]};
            assertRouted(route(2, deepSeekV2, logits), new int[] {1, 0}, 16 * 0.4, 16 * 0.1);
        }

        @Test
        void deepSeekV3ChoosesWithTheBiasAndWeighsWithoutIt() {
            RouterSpec deepSeekV3 = sigmoid()
                    .optRoutedScalingFactor(2.5)
                    .optGroupLimit(2, 1, GroupScore.TOP2_SUM)
                    .build();
            // c = 0.85, 0.75 | 0.6, 0.65: group sums 1.6 and 1.25; weights 2.5 · {0.5, 0.75} / 1.25
            Routing routing = route(2, deepSeekV3, ODDS, 0.35, 0, -0.2, 0.45);
            assertRouted(routing, new int[] {0, 1}, 1, 1.5);
            assertThat(routing.probabilities()[0])
                    .containsExactly(new double[] {0.5 / 2.25, 0.75 / 2.25, 0.8 / 2.25, 0.2 / 2.25}, within(1e-15));
        }

        @Test
        void moonlightHasOneGroupOnly() {
            RouterSpec moonlight = sigmoid()
                    .optRoutedScalingFactor(2.446)
                    .optGroupLimit(1, 1, GroupScore.TOP2_SUM)
                    .build();
            assertRouted(route(1, moonlight, ODDS, 0, 0, 0, 0.61), new int[] {3}, 2.446);
            assertRouted(route(1, moonlight, ODDS, 0, 0, 0, 0.59), new int[] {2}, 2.446);
        }
    }

    /** The bugs that shipped in other MoE libraries. */
    @Nested
    class Traps {

        @Test
        void paddingTakesNoPlaceInAnExpert() {
            MoeSpec limited = MoeSpec.builder()
                    .setHiddenSize(2)
                    .setIntermediateSize(1)
                    .setNumExperts(2)
                    .setTopK(1)
                    .optRouter(RouterSpec.builder().optCapacityFactor(1).build())
                    .build();
            // expert 0 takes ceil(3 / 2) = 2 of the three real tokens, and the padding before them none
            double[][] logits = {{1, 0}, {1, 0}, {1, 0}, {1, 0}};
            boolean[] real = {false, true, true, true};
            Routing routing = new TopKRouter(limited).route(logits, new double[0], real);
            assertThat(routing.kept()).isDeepEqualTo(new boolean[][] {{false}, {true}, {true}, {false}});
            assertThat(routing.weights()).isDeepEqualTo(new double[][] {{0}, {1}, {1}, {0}});
            assertThat(routing.only(real).dropped()).isEqualTo(1);
            MoeSpec dropless =
                    limited.toBuilder().optRouter(RouterSpec.builder().build()).build();
            assertThat(new TopKRouter(dropless)
                            .route(logits, new double[0], real)
                            .dropped())
                    .isZero();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new TopKRouter(limited).route(logits, new double[0], new boolean[3]))
                    .withMessage("real has 3 flags, expected 4, one a token");
        }

        @Test
        void weightsAreGatheredFromTheUnbiasedScores() {
            RouterSpec unnormalised = sigmoid().optNormTopkProb(false).build();
            // transformers 41647, vLLM 12002
            assertRouted(route(1, unnormalised, ODDS, 0, 0, 0, 5), new int[] {3}, 0.2);
        }

        @Test
        void scoresAreNotRecoveredBySubtractingTheBias() {
            // FlashInfer 3875: (1e-8 + 12) − 12 loses every digit
            double s = 1 / (1 + Math.exp(18.4));
            RouterSpec unnormalised = sigmoid().optNormTopkProb(false).build();
            Routing routing = route(1, unnormalised, new double[] {-18.4, -18.4, 0, 0}, 0, 12, 0, 0);
            assertThat(routing.experts()[0]).containsExactly(1);
            assertThat(routing.weights()[0]).containsExactly(s);
        }

        @Test
        void expertsOutsideTheGroupsStayOutEvenIfAllChoiceScoresAreNegative() {
            // transformers 45440, vLLM 13474: masked with 0.0 they would win
            RouterSpec router =
                    sigmoid().optGroupLimit(2, 1, GroupScore.TOP2_SUM).build();
            Routing routing = route(2, router, ODDS, -2, -2, -2, -2);
            // s = 0.5, 0.75 | 0.8, 0.2
            assertThat(routing.experts()[0]).containsExactly(1, 0);
        }

        @Test
        void theBiasCountsToItsLastDigit() {
            // in bf16 or fp16 these biases would be equal
            RouterSpec router = sigmoid().build();
            double[] equal = new double[4];
            assertThat(route(1, router, equal, 12, 12 + 1e-9, 12, 12).experts()[0])
                    .containsExactly(1);
        }

        @Test
        void probabilitiesOfTheBalancingLossAreSoftmaxedOnce() {
            // transformers 45120
            for (ScoreFunction function :
                    new ScoreFunction[] {ScoreFunction.SOFTMAX, ScoreFunction.SOFTMAX_OVER_CHOSEN}) {
                RouterSpec router =
                        RouterSpec.builder().optScoreFunction(function).build();
                assertThat(route(2, router, TENTHS).probabilities()[0])
                        .containsExactly(new double[] {0.1, 0.2, 0.3, 0.4}, within(1e-15));
            }
        }

        @Test
        void moreThanSixteenExpertsATokenAreFine() {
            // exllamav3 359: Nemotron-3 Super chooses 22 of 512
            double[] logits =
                    IntStream.range(0, 512).mapToDouble(i -> i % 100 / 10.0).toArray();
            MoeSpec nemotron = layer(512, 22, sigmoid().optCorrectionBias(false).build());
            Routing routing = new TopKRouter(nemotron).route(new double[][] {logits}, NO_BIAS);
            assertThat(routing.experts()[0]).hasSize(22).startsWith(99, 199, 299, 399, 499, 98);
            assertThat(Arrays.stream(routing.weights()[0]).sum()).isCloseTo(1, within(1e-15));
        }

        @Test
        void maximumAndTopTwoSumOfAGroupAreDifferentChoices() {
            // s = 0.4, 0.05 | 0.3, 0.25: the first group has the larger maximum, the second the larger sum
            double[] logits = {Math.log(4), Math.log(0.5), Math.log(3), Math.log(2.5)};
            RouterSpec max =
                    RouterSpec.builder().optGroupLimit(2, 1, GroupScore.MAX).build();
            RouterSpec sum = RouterSpec.builder()
                    .optGroupLimit(2, 1, GroupScore.TOP2_SUM)
                    .build();
            assertThat(route(2, max, logits).experts()[0]).containsExactly(0, 1);
            assertThat(route(2, sum, logits).experts()[0]).containsExactly(2, 3);
        }

        @Test
        void normalisingAndScalingDoNotExcludeEachOther() {
            // DeepSeek-V2's remote code does one or the other; V3 both
            RouterSpec both = RouterSpec.builder().optRoutedScalingFactor(7).build();
            assertRouted(route(2, both, TENTHS), new int[] {3, 2}, 4, 3);
        }

        @Test
        void vanishingScoresDoNotDivideByZero() {
            Routing routing =
                    route(2, sigmoid().optCorrectionBias(false).build(), new double[] {-800, -800, -800, -800});
            assertThat(routing.weights()[0]).containsExactly(0, 0);
            assertThat(routing.probabilities()[0]).containsOnly(0);
        }

        @Test
        void hugeLogitsDoNotOverflow() {
            Routing routing = route(2, RouterSpec.builder().build(), new double[] {1e6, 1e6 + Math.log(3), 0, -1e6});
            assertThat(routing.experts()[0]).containsExactly(1, 0);
            assertThat(routing.weights()[0]).containsExactly(new double[] {0.75, 0.25}, within(1e-9));
        }
    }

    @Test
    void softmaxThenTopKThenNormaliseEqualsTopKThenSoftmax() {
        SplittableRandom random = new SplittableRandom(1);
        RouterSpec overChosen = RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                .build();
        for (int draw = 0; draw < 500; draw++) {
            int numExperts = random.nextInt(1, 20);
            int topK = random.nextInt(1, numExperts + 1);
            double[] logits = random.doubles(numExperts, -8, 8).toArray();
            Routing a = new TopKRouter(
                            layer(numExperts, topK, RouterSpec.builder().build()))
                    .route(new double[][] {logits}, NO_BIAS);
            Routing b = new TopKRouter(layer(numExperts, topK, overChosen)).route(new double[][] {logits}, NO_BIAS);
            assertThat(a.experts()).isDeepEqualTo(b.experts());
            assertThat(a.weights()[0]).containsExactly(b.weights()[0], within(1e-14));
        }
    }

    @Test
    void agreesWithSortingOnRandomLayers() {
        for (int seed = 0; seed < 500; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MoeSpec spec = RandomSpecs.next(random);
            // coarse logits make ties common
            double[][] logitsTN = new double[5][];
            Arrays.setAll(logitsTN, t -> random.doubles(spec.numExperts())
                    .map(v -> Math.round(4 * v))
                    .toArray());
            double[] bias = spec.router().correctionBias()
                    ? random.doubles(spec.numExperts())
                            .map(v -> v > 0.5 ? 0.25 : 0)
                            .toArray()
                    : NO_BIAS;
            Routing routing = new TopKRouter(spec).route(logitsTN, bias);
            for (int t = 0; t < 5; t++) {
                assertThat(routing.experts()[t])
                        .as("seed %d, token %d, %s", seed, t, spec)
                        .containsExactly(chosenBySorting(spec, logitsTN[t], bias));
            }
        }
    }

    /** Stable sorts keep the lower index first among equals. */
    private static int[] chosenBySorting(MoeSpec spec, double[] logits, double[] bias) {
        double sum = Arrays.stream(logits)
                .map(l -> Math.exp(l - Arrays.stream(logits).max().orElseThrow()))
                .sum();
        double[] c = new double[logits.length];
        for (int i = 0; i < c.length; i++) {
            double s =
                    switch (spec.router().scoreFunction()) {
                        case SOFTMAX -> Math.exp(
                                        logits[i] - Arrays.stream(logits).max().orElseThrow())
                                / sum;
                        case SIGMOID -> 1 / (1 + Math.exp(-logits[i]));
                        case SOFTMAX_OVER_CHOSEN -> logits[i];
                    };
            c[i] = s + (bias.length == 0 ? 0 : bias[i]);
        }
        int size = c.length / spec.router().nGroup();
        List<Integer> groups = new ArrayList<>(
                IntStream.range(0, spec.router().nGroup()).boxed().toList());
        boolean top2 = spec.router().groupScore() == GroupScore.TOP2_SUM;
        groups.sort(Comparator.comparingDouble(g -> -Arrays.stream(c, g * size, (g + 1) * size)
                .boxed()
                .sorted(Comparator.reverseOrder())
                .limit(top2 ? 2 : 1)
                .mapToDouble(Double::doubleValue)
                .sum()));
        List<Integer> kept = groups.subList(0, spec.router().topkGroup());
        return IntStream.range(0, c.length)
                .filter(i -> kept.contains(i / size))
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -c[i]))
                .limit(spec.topK())
                .mapToInt(Integer::intValue)
                .toArray();
    }

    @Test
    void tiesBreakTowardTheLowerExpertAndTheLowerGroup() {
        assertThat(route(2, RouterSpec.builder().build(), new double[4]).experts()[0])
                .containsExactly(0, 1);
        assertThat(route(2, RouterSpec.builder().build(), new double[] {0, 1, 1, 1})
                        .experts()[0])
                .containsExactly(1, 2);
        RouterSpec grouped =
                RouterSpec.builder().optGroupLimit(4, 2, GroupScore.MAX).build();
        assertThat(route(2, grouped, new double[] {0, 1, 1, 1}).experts()[0]).containsExactly(1, 2);
    }

    @Test
    void keepingEveryGroupLimitsNothing() {
        RouterSpec all =
                RouterSpec.builder().optGroupLimit(2, 2, GroupScore.TOP2_SUM).build();
        assertRouted(route(2, all, TENTHS), new int[] {3, 2}, 4. / 7, 3. / 7);
    }

    // ---- capacity ----

    @Test
    void fullExpertsDropLaterTokensAfterNormalisation() {
        // capacity ceil(0.75 · 3 · 2 / 4) = 2; all three tokens want experts 3 and 2
        RouterSpec limited = RouterSpec.builder().optCapacityFactor(0.75).build();
        Routing routing = new TopKRouter(layer(4, 2, limited)).route(new double[][] {TENTHS, TENTHS, TENTHS}, NO_BIAS);
        assertThat(routing.kept()).isDeepEqualTo(new boolean[][] {{true, true}, {true, true}, {false, false}});
        assertThat(routing.weights()[1]).containsExactly(new double[] {4. / 7, 3. / 7}, within(1e-15));
        assertThat(routing.weights()[2]).containsExactly(0, 0);
        assertThat(routing.experts()[2]).containsExactly(3, 2);
        assertThat(routing.tokensPerExpert()).containsExactly(0, 0, 3, 3);
        assertThat(routing.dropped()).isEqualTo(2);
    }

    @Test
    void aHalfDroppedTokenKeepsTheWeightItHad() {
        // capacity ceil(0.5 · 2 · 2 / 4) = 1; expert 2 is full when the second token comes
        RouterSpec limited = RouterSpec.builder().optCapacityFactor(0.5).build();
        double[] other = {TENTHS[3], TENTHS[0], TENTHS[2], TENTHS[1]};
        Routing routing = new TopKRouter(layer(4, 2, limited)).route(new double[][] {TENTHS, other}, NO_BIAS);
        assertThat(routing.kept()[1]).containsExactly(true, false);
        assertThat(routing.weights()[1]).containsExactly(new double[] {4. / 7, 0}, within(1e-15));
    }

    @Test
    void withoutCapacityNothingIsDropped() {
        double[][] logits = new double[50][4];
        Routing routing = new TopKRouter(layer(4, 1, RouterSpec.builder().build())).route(logits, NO_BIAS);
        assertThat(routing.dropped()).isZero();
        assertThat(routing.tokensPerExpert()).containsExactly(50, 0, 0, 0);
    }

    // ---- derivative ----

    @Test
    void backwardIsTheDerivativeOfTheWeights() {
        double step = 1e-6;
        for (int seed = 0; seed < 300; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MoeSpec spec = RandomSpecs.next(random);
            TopKRouter router = new TopKRouter(spec);
            double[] bias = spec.router().correctionBias()
                    ? random.doubles(spec.numExperts(), -0.3, 0.3).toArray()
                    : NO_BIAS;
            double[][] logitsTN = new double[4][];
            Arrays.setAll(
                    logitsTN, t -> random.doubles(spec.numExperts(), -3, 3).toArray());
            double[][] gradTK = new double[4][];
            Arrays.setAll(gradTK, t -> random.doubles(spec.topK(), -1, 1).toArray());
            Routing routing = router.route(logitsTN, bias);
            double[][] gradLogitsTN = router.backward(logitsTN, routing, gradTK);
            for (int t = 0; t < 4; t++) {
                for (int i = 0; i < spec.numExperts(); i++) {
                    double saved = logitsTN[t][i];
                    logitsTN[t][i] = saved + step;
                    Routing ahead = router.route(logitsTN, bias);
                    logitsTN[t][i] = saved - step;
                    Routing behind = router.route(logitsTN, bias);
                    logitsTN[t][i] = saved;
                    if (Arrays.deepEquals(ahead.experts(), behind.experts())) {
                        double slope = (weighted(ahead, gradTK) - weighted(behind, gradTK)) / (2 * step);
                        assertThat(gradLogitsTN[t][i])
                                .as("seed %d, token %d, expert %d, %s", seed, t, i, spec)
                                .isCloseTo(slope, within(1e-8));
                    }
                }
            }
        }
    }

    private static double weighted(Routing routing, double[][] gradTK) {
        double sum = 0;
        for (int t = 0; t < gradTK.length; t++) {
            for (int slot = 0; slot < gradTK[t].length; slot++) {
                sum += routing.weights()[t][slot] * gradTK[t][slot];
            }
        }
        return sum;
    }

    @Test
    void gradientsOfDroppedSlotsAreIgnored() {
        RouterSpec limited = RouterSpec.builder()
                .optNormTopkProb(false)
                .optCapacityFactor(0.5)
                .build();
        TopKRouter router = new TopKRouter(layer(4, 1, limited));
        double[][] logits = {TENTHS, TENTHS};
        Routing routing = router.route(logits, NO_BIAS);
        double[][] grad = router.backward(logits, routing, new double[][] {{0}, {1000}});
        assertThat(grad).isDeepEqualTo(new double[2][4]);
    }

    // ---- errors ----

    @Test
    void namesTokenAndExpertOfALogitThatIsNotFinite() {
        TopKRouter router = new TopKRouter(layer(4, 2, RouterSpec.builder().build()));
        double[][] logits = new double[3][4];
        logits[2][1] = Double.NaN;
        rejects(
                () -> router.route(logits, NO_BIAS),
                "the logit of token 2 for expert 1 is NaN; "
                        + "look for an overflow in what the router reads or in its weight");
        logits[2][1] = Double.NEGATIVE_INFINITY;
        rejects(
                () -> router.route(logits, NO_BIAS),
                "the logit of token 2 for expert 1 is -Infinity; "
                        + "look for an overflow in what the router reads or in its weight");
    }

    @Test
    void rejectsWrongShapes() {
        TopKRouter plain = new TopKRouter(layer(4, 2, RouterSpec.builder().build()));
        TopKRouter biased = new TopKRouter(layer(4, 2, sigmoid().build()));
        double[][] logits = {TENTHS};
        rejects(
                () -> plain.route(new double[][] {TENTHS, {1, 2}}, NO_BIAS),
                "logits of token 1 has 2 values, expected 4");
        rejects(
                () -> plain.route(logits, new double[4]),
                "the correction bias has 4 values, expected 0, the router has none");
        rejects(() -> biased.route(logits, NO_BIAS), "the correction bias has 0 values, expected 4 = numExperts");
        rejects(
                () -> biased.route(logits, new double[] {0, 0, Double.NaN, 0}),
                "the correction bias of expert 2 is NaN");
        Routing routing = plain.route(logits, NO_BIAS);
        rejects(
                () -> plain.backward(logits, routing, new double[2][2]),
                "gradWeights has 2 rows, expected 1, one a token");
        rejects(
                () -> plain.backward(logits, routing, new double[1][3]),
                "gradWeights of token 0 has 3 values, expected 2");
        rejects(
                () -> plain.backward(new double[2][4], routing, new double[1][2]),
                "logits has 2 rows, expected 1, one a token");
    }

    @Test
    void noTokensAreFine() {
        TopKRouter router = new TopKRouter(layer(4, 2, RouterSpec.builder().build()));
        Routing routing = router.route(new double[0][], NO_BIAS);
        assertThat(routing.tokens()).isZero();
        assertThat(routing.tokensPerExpert()).containsExactly(0, 0, 0, 0);
        assertThat(router.backward(new double[0][], routing, new double[0][])).isEmpty();
    }

    private static RouterSpec.Builder sigmoid() {
        return RouterSpec.builder().optScoreFunction(ScoreFunction.SIGMOID).optCorrectionBias(true);
    }

    private static MoeSpec layer(int numExperts, int topK, RouterSpec router) {
        return MoeSpec.builder()
                .setHiddenSize(2)
                .setIntermediateSize(1)
                .setNumExperts(numExperts)
                .setTopK(topK)
                .optRouter(router)
                .build();
    }

    private static Routing route(int topK, RouterSpec router, double[] logits, double... bias) {
        return new TopKRouter(layer(4, topK, router)).route(new double[][] {logits}, bias);
    }

    private static void assertRouted(Routing routing, int[] experts, double... weights) {
        assertThat(routing.experts()[0]).containsExactly(experts);
        assertThat(routing.weights()[0]).containsExactly(weights, within(1e-14));
        assertThat(routing.kept()[0]).containsOnly(true);
    }

    private static void rejects(ThrowingCallable code, String message) {
        assertThatIllegalArgumentException().isThrownBy(code).withMessage(message);
    }
}
