package ai.molae.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RandomSpecsTest {

    private static final int DRAWS = 500;

    private static List<MoeSpec> draws() {
        SplittableRandom random = new SplittableRandom(1);
        return Stream.generate(() -> RandomSpecs.next(random)).limit(DRAWS).toList();
    }

    @Test
    void drawsEverythingASpecCanBe() {
        Map<String, Predicate<MoeSpec>> wanted = new LinkedHashMap<>();
        wanted.put("one expert", s -> s.numExperts() == 1);
        wanted.put("twelve experts", s -> s.numExperts() == 12);
        wanted.put("K = 1 of several", s -> s.topK() == 1 && s.numExperts() > 1);
        wanted.put("K = N of several", s -> s.topK() == s.numExperts() && s.numExperts() > 1);
        wanted.put("standard", s -> s.latent().isEmpty());
        wanted.put("ungated", s -> !s.gated());
        for (Activation activation : Activation.values()) {
            wanted.put("gated " + activation, s -> s.gated() && s.activation() == activation);
            wanted.put("ungated " + activation, s -> !s.gated() && s.activation() == activation);
        }
        for (ScoreFunction function : ScoreFunction.values()) {
            for (boolean norm : new boolean[] {true, false}) {
                wanted.put(
                        function + " norm " + norm,
                        s -> s.router().scoreFunction() == function
                                && s.router().normTopkProb() == norm);
            }
        }
        wanted.put("scaled", s -> s.router().routedScalingFactor() != 1);
        wanted.put(
                "DeepSeek-V3",
                s -> s.router().scoreFunction() == ScoreFunction.SIGMOID
                        && s.router().correctionBias()
                        && s.router().topkGroup() < s.router().nGroup()
                        && s.router().groupScore() == GroupScore.TOP2_SUM);
        wanted.put(
                "DeepSeek-V2",
                s -> s.router().scoreFunction() == ScoreFunction.SOFTMAX
                        && s.router().topkGroup() < s.router().nGroup()
                        && s.router().groupScore() == GroupScore.MAX);
        wanted.put(
                "biased softmax",
                s -> s.router().scoreFunction() == ScoreFunction.SOFTMAX
                        && s.router().correctionBias());
        for (double capacity : new double[] {0.5, 1, 1.25, Double.POSITIVE_INFINITY}) {
            wanted.put("capacity " + capacity, s -> s.router().capacityFactor() == capacity);
        }
        wanted.put("aux and z", s -> s.router().auxLossCoef() > 0 && s.router().zLossCoef() > 0);
        wanted.put("aux only", s -> s.router().auxLossCoef() > 0 && s.router().zLossCoef() == 0);
        wanted.put("z only", s -> s.router().auxLossCoef() == 0 && s.router().zLossCoef() > 0);
        wanted.put(
                "shared", s -> s.sharedExpert().filter(e -> !e.sigmoidGated()).isPresent());
        wanted.put(
                "shared, sigmoid-gated",
                s -> s.sharedExpert().filter(SharedExpertSpec::sigmoidGated).isPresent());
        wanted.put("shared, ungated", s -> s.sharedExpert().isPresent() && !s.gated());
        List<ExpertOperator> operators = List.of(ExpertOperator.values());
        for (int subset = 1; subset < 1 << operators.size(); subset++) {
            int bits = subset;
            wanted.put(
                    "factored subset " + bits,
                    s -> s.gated()
                            && operators.stream()
                                    .allMatch(o -> s.isFactored(o) == ((bits >> operators.indexOf(o) & 1) == 1)));
        }
        wanted.put("tied", s -> s.latent().filter(LatentSpec::tiedGateUp).isPresent());
        wanted.put("different latent sizes", s -> s.latent()
                .filter(l -> l.latentSizes().values().stream().distinct().count() == 3)
                .isPresent());
        wanted.put("ragged contiguous groups", s -> s.latent()
                .filter(l -> l.groups().isEmpty() && s.numExperts() % l.groupSize() != 0)
                .isPresent());
        wanted.put("one group", s -> s.latent().isPresent() && s.expertGroups().numGroups() == 1 && s.numExperts() > 1);
        wanted.put(
                "groups of one",
                s -> s.latent().isPresent() && s.expertGroups().numGroups() == s.numExperts() && s.numExperts() > 1);
        wanted.put("interleaved groups", s -> s.latent()
                .flatMap(LatentSpec::groups)
                .filter(g -> !g.groupOf().equals(g.groupOf().stream().sorted().toList()))
                .isPresent());

        List<MoeSpec> draws = draws();
        wanted.forEach(
                (name, predicate) -> assertThat(draws.stream().filter(predicate).count())
                        .as("%s in %d draws", name, DRAWS)
                        .isPositive());
    }

    @Test
    void staysSmall() {
        assertThat(draws()).allSatisfy(spec -> {
            assertThat(spec.hiddenSize()).isBetween(2, 24);
            assertThat(spec.intermediateSize()).isBetween(1, 16);
            assertThat(spec.numExperts()).isBetween(1, 12);
            assertThat(spec.latentInSize()).isBetween(0, 24);
        });
    }

    @Test
    void oneSeedGivesOneLayer() {
        SplittableRandom a = new SplittableRandom(7);
        SplittableRandom b = new SplittableRandom(7);
        MoeSpec spec = RandomSpecs.next(a);
        assertThat(RandomSpecs.next(b)).isEqualTo(spec);
        assertThat(RandomSpecs.randomParameters(spec, a).get("down"))
                .containsExactly(RandomSpecs.randomParameters(spec, b).get("down"));
        assertThat(RandomSpecs.randomTokens(spec, 3, a)).isDeepEqualTo(RandomSpecs.randomTokens(spec, 3, b));
    }

    @Test
    void parametersHaveTheNamesAndSizesOfTheSpec() {
        SplittableRandom random = new SplittableRandom(2);
        for (MoeSpec spec : draws()) {
            Map<String, double[]> parameters = RandomSpecs.randomParameters(spec, random);
            assertThat(parameters.keySet())
                    .containsExactlyElementsOf(
                            spec.parameters().stream().map(ParameterShape::name).toList());
            spec.parameters().forEach(p -> assertThat(parameters.get(p.name())).hasSize((int) p.size()));
        }
    }

    @Test
    void nearTiesMeasuresTheGapAtTheKthChoice() {
        MoeSpec spec = layer(
                4,
                2,
                RouterSpec.builder()
                        .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                        .build());
        double[][] logits = {{4, 1, 3, 1.5}, {0, 0.25, 9, 8}};
        assertThat(NearTies.margin(spec, logits, new double[0], false)).isEqualTo(1.5);
        assertThat(NearTies.margin(spec, logits, new double[0], true)).isEqualTo(1);
        assertThat(NearTies.isNear(spec, new double[][] {{4, 1, 3, 2.99995}}, new double[0]))
                .isTrue();
        assertThat(NearTies.isNear(spec, logits, new double[0])).isFalse();
    }

    @Test
    void nearTiesMeasuresTheGapBetweenGroupsAndOnlyInsideTheKeptOnes() {
        RouterSpec router = RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optCorrectionBias(true)
                .optGroupLimit(2, 1, GroupScore.TOP2_SUM)
                .build();
        MoeSpec spec = layer(4, 1, router);
        // s = 0.5 everywhere: c = {0.9, 0.5 | 0.8, 0.62}, group scores 1.4 and 1.42, inside 0.8 against 0.62
        assertThat(NearTies.margin(spec, new double[1][4], new double[] {0.4, 0, 0.3, 0.12}, false))
                .isCloseTo(0.02, within(1e-12));
        // c = {0.9, 0.5 | 0.8, 0.75}, group scores 1.4 and 1.55, inside 0.8 against 0.75
        double[] bias = {0.4, 0, 0.3, 0.25};
        assertThat(NearTies.margin(spec, new double[1][4], bias, false)).isCloseTo(0.05, within(1e-12));
        // both groups kept: 0.9 against 0.8
        RouterSpec both =
                router.toBuilder().optGroupLimit(2, 2, GroupScore.TOP2_SUM).build();
        assertThat(NearTies.margin(layer(4, 1, both), new double[1][4], bias, false))
                .isCloseTo(0.1, within(1e-12));
    }

    @Test
    void nothingToChooseIsNeverNear() {
        MoeSpec spec = layer(3, 3, RouterSpec.builder().build());
        assertThat(NearTies.margin(spec, new double[2][3], new double[0], false))
                .isInfinite();
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
}
