package ai.molae.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.testing.RandomSpecs;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

class BalanceLossTest {

    private static final double[] NO_BIAS = {};

    @Test
    void switchLossOfEquallyLikelyExpertsIsK() {
        // Hugging Face's own test: about 2 for Mixtral. With equal probabilities P = 1/N, and Σ f = K whoever is chosen
        for (int topK = 1; topK <= 4; topK++) {
            assertThat(BalanceLoss.switchLoss(route(topK, softmax(), new double[3][4])))
                    .isCloseTo(topK, within(1e-14));
        }
    }

    @Test
    void switchLossOfEvenlyUsedExpertsIsK() {
        // every token is certain, and every expert has its token: f = P = 1/4
        double[][] logits = new double[4][4];
        for (int t = 0; t < 4; t++) {
            logits[t][t] = 100;
        }
        assertThat(BalanceLoss.switchLoss(route(1, softmax(), logits))).isCloseTo(1, within(1e-14));
    }

    @Test
    void switchLossOfOneExpertForAllIsN() {
        double[][] logits = {{0, 0, 100, 0}, {0, 0, 100, 0}};
        assertThat(BalanceLoss.switchLoss(route(1, softmax(), logits))).isCloseTo(4, within(1e-14));
    }

    @Test
    void switchLossIsNTimesTheSumOfFTimesP() {
        // P of the two tokens: {.1 .2 .3 .4} and {.4 .3 .2 .1}; K = 2 chooses {3,2} and {0,1}: f = 1/2 each; third
        // token {3,2}
        double[][] logits = {
            logs(1, 2, 3, 4), logs(4, 3, 2, 1), logs(1, 2, 3, 4),
        };
        // f = {1,1,2,2}/3, mean P = {.6,.7,.8,.9}/3
        double expected = 4 * (0.6 + 0.7 + 2 * 0.8 + 2 * 0.9) / 9;
        assertThat(BalanceLoss.switchLoss(route(2, softmax(), logits))).isCloseTo(expected, within(1e-14));
    }

    @Test
    void switchLossCountsChoicesBeforeCapacity() {
        double[][] logits = {logs(1, 2, 3, 4), logs(1, 2, 3, 4), logs(1, 2, 3, 4)};
        RouterSpec limited = RouterSpec.builder().optCapacityFactor(0.5).build();
        Routing dropping = route(1, limited, logits);
        assertThat(dropping.dropped()).isEqualTo(2);
        assertThat(BalanceLoss.switchLoss(dropping)).isEqualTo(BalanceLoss.switchLoss(route(1, softmax(), logits)));
    }

    @Test
    void switchLossOfSigmoidScoresUsesTheNormalisedScores() {
        RouterSpec sigmoid =
                RouterSpec.builder().optScoreFunction(ScoreFunction.SIGMOID).build();
        // s = 0.5, 0.75, 0.8, 0.2 of sum 2.25; K = 1 chooses expert 2
        double[][] logits = {{0, Math.log(3), Math.log(4), -Math.log(4)}};
        assertThat(BalanceLoss.switchLoss(route(1, sigmoid, logits))).isCloseTo(4 * 0.8 / 2.25, within(1e-14));
    }

    @Test
    void sequenceLossIsOneWhenBalancedAndSeesEachSequenceAlone() {
        assertThat(BalanceLoss.sequenceLoss(route(2, softmax(), new double[6][4]), 3))
                .isCloseTo(1, within(1e-14));
        // the first sequence uses expert 0 only, the second expert 1 only: balanced over neither, though equal over
        // both
        double[][] logits = {{100, 0}, {100, 0}, {0, 100}, {0, 100}};
        Routing routing = route(1, softmax(), logits);
        assertThat(BalanceLoss.sequenceLoss(routing, 2)).isCloseTo(2, within(1e-14));
        assertThat(BalanceLoss.sequenceLoss(routing, 4)).isCloseTo(1, within(1e-14));
    }

    @Test
    void sequenceLossOfOneSequenceIsSwitchLossOverK() {
        SplittableRandom random = new SplittableRandom(1);
        double[][] logits = new double[7][];
        Arrays.setAll(logits, t -> random.doubles(5, -2, 2).toArray());
        Routing routing = route(3, softmax(), logits);
        assertThat(BalanceLoss.sequenceLoss(routing, 7)).isCloseTo(BalanceLoss.switchLoss(routing) / 3, within(1e-14));
    }

    @Test
    void sequenceLossNeedsWholeSequences() {
        Routing routing = route(1, softmax(), new double[6][4]);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.sequenceLoss(routing, 4))
                .withMessage("sequenceLength must be positive and divide the 6 tokens, got 4");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.sequenceLoss(routing, 0))
                .withMessage("sequenceLength must be positive and divide the 6 tokens, got 0");
    }

    @Test
    void sequencesWeighTheirTokens() {
        // four tokens on expert 0 alone (loss 2) and two of both experts (loss 1), and a sequence without tokens
        double[][] logits = {{100, 0}, {100, 0}, {100, 0}, {100, 0}, {100, 0}, {0, 100}};
        Routing routing = route(1, softmax(), logits);
        assertThat(BalanceLoss.sequenceLoss(routing, new int[] {4, 0, 2}))
                .isCloseTo((4 * 2 + 2 * 1) / 6.0, within(1e-14));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.sequenceLoss(routing, new int[] {4, 1}))
                .withMessageContainingAll("[4, 1]", "6 tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.sequenceLoss(routing, new int[] {8, -2}))
                .withMessageContaining("[8, -2]");
    }

    @Test
    void globalLossAddsTheChoicesOfThePassesBefore() {
        // P of the two tokens: {.1 .9}, {.3 .7}; K = 1 chooses expert 1 twice; before, 6 tokens chose {5, 1}: f = {5,
        // 3} / 8
        double[][] logits = {logs(1, 9), logs(3, 7)};
        Routing routing = route(1, softmax(), logits);
        long[] before = {5, 1};
        assertThat(BalanceLoss.globalLoss(routing, before, 6))
                .isCloseTo(2 * (5 / 8.0 * 0.2 + 3 / 8.0 * 0.8), within(1e-14));
        assertThat(BalanceLoss.globalLoss(routing, new long[2], 0)).isEqualTo(BalanceLoss.switchLoss(routing));
        assertThat(before).containsExactly(5, 1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.globalLoss(routing, new long[3], 6))
                .withMessage("the routing has numExperts = 2, the load before is of 3");
    }

    @Test
    void zLossIsTheMeanSquareOfLogSumExp() {
        // Σ exp = 10 and 2
        double[][] logits = {logs(1, 2, 3, 4), logs(0.5, 0.5, 0.5, 0.5)};
        double expected = (Math.log(10) * Math.log(10) + Math.log(2) * Math.log(2)) / 2;
        assertThat(BalanceLoss.zLoss(logits)).isCloseTo(expected, within(1e-14));
        assertThat(BalanceLoss.zLoss(new double[][] {{1000, 0}})).isEqualTo(1e6);
    }

    @Test
    void noTokensHaveNoLoss() {
        Routing routing = route(1, softmax(), new double[0][4]);
        assertThat(BalanceLoss.switchLoss(routing)).isZero();
        assertThat(BalanceLoss.sequenceLoss(routing, 3)).isZero();
        assertThat(BalanceLoss.zLoss(new double[0][])).isZero();
        assertThat(BalanceLoss.switchLossGradient(ScoreFunction.SOFTMAX, new double[0][], routing))
                .isEmpty();
        assertThat(BalanceLoss.zLossGradient(new double[0][])).isEmpty();
    }

    @Test
    void gradientsAreTheSlopesOfTheLosses() {
        for (int seed = 0; seed < 100; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MoeSpec spec = RandomSpecs.next(random);
            double[] bias = new double[spec.router().correctionBias() ? spec.numExperts() : 0];
            TopKRouter router = new TopKRouter(spec);
            double[][] logits = new double[4][];
            Arrays.setAll(logits, t -> random.doubles(spec.numExperts(), -3, 3).toArray());
            Routing routing = router.route(logits, bias);
            // f stays that of the first routing, as in the definition of the gradient
            double[] fN = Arrays.stream(routing.tokensPerExpert())
                    .mapToDouble(n -> n / 4.0)
                    .toArray();
            ToDoubleFunction<double[][]> switchLoss = l -> {
                double sum = 0;
                for (double[] p : router.route(l, bias).probabilities()) {
                    for (int i = 0; i < fN.length; i++) {
                        sum += fN.length * fN[i] * p[i] / 4;
                    }
                }
                return sum;
            };
            assertThat(switchLoss.applyAsDouble(logits)).isCloseTo(BalanceLoss.switchLoss(routing), within(1e-12));
            ScoreFunction function = spec.router().scoreFunction();
            assertSlope(
                    "switch, seed " + seed,
                    switchLoss,
                    logits,
                    BalanceLoss.switchLossGradient(function, logits, routing));
            // The choices do not change within such small steps, or this would fail.
            int[] lengths = {1, 0, 3};
            assertSlope(
                    "sequence, seed " + seed,
                    l -> BalanceLoss.sequenceLoss(router.route(l, bias), lengths),
                    logits,
                    BalanceLoss.sequenceLossGradient(function, logits, routing, lengths));
            long[] before = random.longs(spec.numExperts(), 0, 9).toArray();
            assertSlope(
                    "global, seed " + seed,
                    l -> BalanceLoss.globalLoss(router.route(l, bias), before, 7),
                    logits,
                    BalanceLoss.globalLossGradient(function, logits, routing, before, 7));
            assertSlope("z, seed " + seed, BalanceLoss::zLoss, logits, BalanceLoss.zLossGradient(logits));
        }
    }

    private static void assertSlope(
            String name, ToDoubleFunction<double[][]> loss, double[][] logits, double[][] gradient) {
        double step = 1e-6;
        for (int t = 0; t < logits.length; t++) {
            for (int i = 0; i < logits[t].length; i++) {
                double saved = logits[t][i];
                logits[t][i] = saved + step;
                double ahead = loss.applyAsDouble(logits);
                logits[t][i] = saved - step;
                double behind = loss.applyAsDouble(logits);
                logits[t][i] = saved;
                assertThat(gradient[t][i])
                        .as("%s, token %d, expert %d", name, t, i)
                        .isCloseTo((ahead - behind) / (2 * step), within(1e-8));
            }
        }
    }

    @Test
    void switchLossGradientNeedsTheLogitsThatWereRouted() {
        Routing routing = route(1, softmax(), new double[2][4]);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.switchLossGradient(ScoreFunction.SOFTMAX, new double[3][4], routing))
                .withMessage("logits has 3 rows, the routing has 2 tokens");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.switchLossGradient(ScoreFunction.SOFTMAX, new double[2][5], routing))
                .withMessage("logits of token 0 has 5 values, expected numExperts = 4");
    }

    @Test
    void biasUpdateRaisesIdleAndLowersBusyExperts() {
        double[] bias = {1, 1, 1, 1};
        // mean load 5
        assertThat(BalanceLoss.biasUpdate(bias, new long[] {2, 5, 12, 1}, 0.25, false))
                .containsExactly(1.25, 1, 0.75, 1.25);
        assertThat(bias).containsOnly(1);
    }

    @Test
    void biasUpdateCanRemoveItsMeanSoThatTheBiasDoesNotDrift() {
        // Δ = 0.25 · {1, 0, −1, 1}, mean 0.0625
        double[] updated = BalanceLoss.biasUpdate(new double[4], new long[] {2, 5, 12, 1}, 0.25, true);
        assertThat(updated).containsExactly(0.1875, -0.0625, -0.3125, 0.1875);
        assertThat(Arrays.stream(updated).sum()).isZero();
    }

    @Test
    void biasUpdateTakesTheSignWithoutRounding() {
        // mean 1/3 above and below; a mean rounded to an integer would call the expert with 0 balanced
        assertThat(BalanceLoss.biasUpdate(new double[3], new long[] {1, 0, 0}, 1, false))
                .containsExactly(-1, 1, 1);
        assertThat(BalanceLoss.biasUpdate(new double[3], new long[] {7, 7, 7}, 1, false))
                .containsExactly(0, 0, 0);
    }

    @Test
    void biasUpdateRejectsWhatDoesNotFit() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.biasUpdate(new double[3], new long[2], 1, false))
                .withMessage("the bias has 3 experts, the load 2");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> BalanceLoss.biasUpdate(new double[3], new long[3], -1, false))
                .withMessage("gamma must be finite and at least 0, got -1.0");
    }

    private static RouterSpec softmax() {
        return RouterSpec.builder().build();
    }

    private static double[] logs(double... values) {
        return Arrays.stream(values).map(Math::log).toArray();
    }

    private static Routing route(int topK, RouterSpec router, double[][] logitsTN) {
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(2)
                .setIntermediateSize(1)
                .setNumExperts(logitsTN.length == 0 ? 4 : logitsTN[0].length)
                .setTopK(topK)
                .optRouter(router)
                .build();
        return new TopKRouter(spec).route(logitsTN, NO_BIAS);
    }
}
