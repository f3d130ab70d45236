package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.route.BalanceLoss;
import ai.molae.route.Routing;
import ai.molae.route.TopKRouter;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.testing.NearTies;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The block's router in float32 against core's in double, on logits of all sizes.
 */
class RouterAgreementTest {

    private static final int TOKENS = 8;
    private static final int SEQUENCE = 4;
    private static final int CASES = 60;
    /** Float32 scores up to 1 and biases up to 12 are this exact. */
    private static final double MARGIN = 4e-6;

    /** The routers of the families, and what no family has yet. */
    enum Kind {
        SOFTMAX(ScoreFunction.SOFTMAX, false),
        SOFTMAX_NORMALISED(ScoreFunction.SOFTMAX, true),
        SOFTMAX_OVER_CHOSEN(ScoreFunction.SOFTMAX_OVER_CHOSEN, false),
        SIGMOID(ScoreFunction.SIGMOID, false),
        SIGMOID_BIASED(ScoreFunction.SIGMOID, true),
        SOFTMAX_IN_GROUPS(ScoreFunction.SOFTMAX, false),
        SIGMOID_BIASED_IN_GROUPS(ScoreFunction.SIGMOID, true);

        private final ScoreFunction function;
        private final boolean norm;

        Kind(ScoreFunction function, boolean norm) {
            this.function = function;
            this.norm = norm;
        }

        boolean biased() {
            return name().contains("BIASED");
        }

        /** Logits stay below a power of two, so that not all scores are 0 or 1. */
        int largestExponent() {
            return function == ScoreFunction.SIGMOID || inGroups() ? 4 : 7;
        }

        boolean inGroups() {
            return name().contains("GROUPS");
        }

        /** A layer of 1 to 96 experts; every fourth visits all of them or as many as Nemotron-3, 22. */
        MoeSpec spec(SplittableRandom random, int number) {
            int groups = inGroups() ? 1 << random.nextInt(1, 4) : 1;
            int perGroup = inGroups() ? random.nextInt(2, 13) : random.nextInt(1, 97);
            int kept = random.nextInt(1, groups + 1);
            int most = kept * perGroup;
            int topK = number % 8 == 1 ? most : number % 8 == 5 ? Math.min(22, most) : random.nextInt(1, most + 1);
            RouterSpec.Builder router = RouterSpec.builder()
                    .optScoreFunction(function)
                    .optNormTopkProb(norm)
                    .optCorrectionBias(biased())
                    .optRoutedScalingFactor(number % 2 == 0 ? 1 : 2.446)
                    .optAuxLossCoef(0.5)
                    .optAuxLossScope(number % 3 == 0 ? AuxLossScope.SEQUENCE : AuxLossScope.LAYER);
            if (inGroups()) {
                router.optGroupLimit(groups, kept, number % 4 < 2 ? GroupScore.MAX : GroupScore.TOP2_SUM);
            }
            return layer(groups * perGroup, topK, router.build());
        }
    }

    private static MoeSpec layer(int numExperts, int topK, RouterSpec router) {
        return MoeSpec.builder()
                .setHiddenSize(numExperts)
                .setIntermediateSize(1)
                .setNumExperts(numExperts)
                .setTopK(topK)
                .optRouter(router)
                .build();
    }

    /**
     * Logits that are float32 numbers, and a bias from 0.1 to 12 in size or none.
     *
     * @param exact whether every choice is clear; else some token chooses between experts of no weight
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Drawn(double[][] logitsTN, double[] bias, boolean exact) {

        static Drawn of(Kind kind, MoeSpec spec, SplittableRandom random) {
            double[] bias = kind.biased() ? new double[spec.numExperts()] : new double[0];
            double size = new double[] {0.1, 1, 12}[random.nextInt(3)];
            Arrays.setAll(bias, i -> (float) random.nextDouble(-size, size));
            double scale = Math.scalb(1.0, random.nextInt(-2, kind.largestExponent()));
            boolean exact = true;
            double[][] logitsTN = new double[TOKENS][];
            for (int t = 0; t < TOKENS; t++) {
                double margin;
                double least;
                do {
                    logitsTN[t] = random.doubles(spec.numExperts(), -scale, scale)
                            .map(l -> (float) l)
                            .toArray();
                    double[][] row = {logitsTN[t]};
                    margin = NearTies.margin(spec, row, bias, false);
                    least = Arrays.stream(new TopKRouter(spec).route(row, bias).weights()[0])
                            .min()
                            .orElseThrow();
                } while (margin < MARGIN && least > 1e-7);
                exact &= margin >= MARGIN;
            }
            return new Drawn(logitsTN, bias, exact);
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void theBlocksRouterIsCores(Kind kind) {
        int exact = 0;
        for (int number = 0; number < CASES; number++) {
            SplittableRandom random = new SplittableRandom(kind.name().hashCode() + 1000L * number);
            MoeSpec spec = kind.spec(random, number);
            Drawn drawn = Drawn.of(kind, spec, random);
            String what = kind + " " + number + ", " + spec;
            Routing expected = new TopKRouter(spec).route(drawn.logitsTN(), drawn.bias());
            BlockRouting actual = BlockRouting.of(spec, drawn.logitsTN(), drawn.bias(), SEQUENCE);
            assertThat(actual.denseWeights(spec)).as(what).containsExactly(denseWeights(spec, expected), within(5e-6));
            if (drawn.exact()) {
                exact++;
                assertThat(actual.load()).as(what).containsExactly(expected.tokensPerExpert());
                double balance = spec.router().auxLossScope() == AuxLossScope.SEQUENCE
                        ? spec.topK() * BalanceLoss.sequenceLoss(expected, SEQUENCE)
                        : BalanceLoss.switchLoss(expected);
                assertThat((double) actual.aux()).as(what).isCloseTo(0.5 * balance, within(1e-5 * balance));
            }
        }
        assertThat(exact).isGreaterThan(CASES / 3);
    }

    private static double[] denseWeights(MoeSpec spec, Routing routing) {
        double[] dense = new double[routing.tokens() * spec.numExperts()];
        for (int t = 0; t < routing.tokens(); t++) {
            for (int k = 0; k < spec.topK(); k++) {
                dense[t * spec.numExperts() + routing.experts()[t][k]] = routing.weights()[t][k];
            }
        }
        return dense;
    }

    @Test
    void normalisedSoftmaxIsSoftmaxOverTheChosen() {
        SplittableRandom random = new SplittableRandom(9);
        for (int number = 0; number < CASES; number++) {
            MoeSpec normalised = Kind.SOFTMAX_NORMALISED.spec(random, number);
            Drawn drawn = Drawn.of(Kind.SOFTMAX_NORMALISED, normalised, random);
            MoeSpec overChosen = normalised.toBuilder()
                    .optRouter(normalised.router().toBuilder()
                            .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                            .build())
                    .build();
            assertThat(BlockRouting.of(overChosen, drawn.logitsTN(), drawn.bias(), SEQUENCE)
                            .denseWeights(overChosen))
                    .as("%s", normalised)
                    .containsExactly(
                            BlockRouting.of(normalised, drawn.logitsTN(), drawn.bias(), SEQUENCE)
                                    .denseWeights(normalised),
                            within(5e-6));
        }
    }

    /** Ties included: the lower expert comes first. */
    @ParameterizedTest
    @EnumSource(Kind.class)
    void logitsOfAnySizeAreRoutedInTheSameOrder(Kind kind) {
        double[][] logitsTN = {
            {0, 0, 0, 0, 0, 0, 0, 0},
            {1e30, -1e30, 0, 0, 0, 0, 0, -1e38},
            {3e38, 3e38, 3e38, 3e38, -3e38, -3e38, -3e38, -3e38},
            {-100, -100, -100, -100, -100, -100, -100, -100},
            {-100, 100, -100, -100, 100, -100, -100, -100},
            {1, 2, 1, 2, 1, 2, 1, 2},
            {0, 1e-30, 0, 2e-30, 0, 0, 0, 0}
        };
        RouterSpec.Builder router = RouterSpec.builder()
                .optScoreFunction(kind.function)
                .optNormTopkProb(kind.norm)
                .optCorrectionBias(kind.biased())
                .optRoutedScalingFactor(2);
        if (kind.inGroups()) {
            router.optGroupLimit(4, 2, GroupScore.MAX);
        }
        MoeSpec spec = layer(8, 3, router.build());
        double[] bias = kind.biased() ? new double[8] : new double[0];
        for (double[] logitsN : logitsTN) {
            double[][] row = {toFloats(logitsN)};
            Routing expected = new TopKRouter(spec).route(row, bias);
            BlockRouting actual = BlockRouting.of(spec, row, bias, 1);
            assertThat(actual.ids())
                    .as(Arrays.toString(logitsN))
                    .containsExactly(
                            Arrays.stream(expected.experts()[0]).asLongStream().toArray());
            assertThat(actual.denseWeights(spec))
                    .as(Arrays.toString(logitsN))
                    .containsExactly(denseWeights(spec, expected), within(1e-6));
        }
    }

    private static double[] toFloats(double[] values) {
        return Arrays.stream(values).map(v -> (float) v).toArray();
    }
}
