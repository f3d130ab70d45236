package ai.molae.spec;

import static ai.molae.spec.ExpertOperator.DOWN;
import static ai.molae.spec.ExpertOperator.GATE;
import static ai.molae.spec.ExpertOperator.UP;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class MoeSpecTest {

    /** n = 10, m = 4, N = 6, K = 2. */
    private static MoeSpec.Builder small() {
        return MoeSpec.builder()
                .setHiddenSize(10)
                .setIntermediateSize(4)
                .setNumExperts(6)
                .setTopK(2);
    }

    private static LatentSpec.Builder latent() {
        return LatentSpec.builder().setLatentSize(3).setGroupSize(4);
    }

    @Test
    void defaultsAreGatedSiluWithTheDefaultRouterAndNothingElse() {
        assertThat(small().build())
                .isEqualTo(new MoeSpec(
                        10,
                        4,
                        6,
                        2,
                        Activation.SILU,
                        true,
                        RouterSpec.builder().build(),
                        Optional.empty(),
                        Optional.empty()));
    }

    @Test
    void toBuilderKeepsEveryField() {
        MoeSpec spec = small().optActivation(Activation.GELU)
                .optGated(false)
                .optRouter(RouterSpec.builder().optNormTopkProb(false).build())
                .optLatent(latent().optFactored(UP, DOWN).build())
                .optSharedExpert(new SharedExpertSpec(7, true))
                .build();
        assertThat(spec.toBuilder().build()).isEqualTo(spec);
    }

    @Test
    void withAndWithoutLatentChangeNothingElse() {
        MoeSpec moe = small().optSharedExpert(SharedExpertSpec.of(5)).build();
        MoeSpec molae = moe.withLatent(latent().build());
        assertThat(molae.latent()).contains(latent().build());
        assertThat(molae.withoutLatent()).isEqualTo(moe);
    }

    @Test
    void rejectsEveryFieldThatIsOutOfRangeWithItsValue() {
        rejects(b -> b.setHiddenSize(0), "hiddenSize must be positive, got 0");
        rejects(b -> b.setIntermediateSize(-1), "intermediateSize must be positive, got -1");
        rejects(b -> b.setNumExperts(0), "numExperts must be positive, got 0");
        rejects(b -> b.setTopK(0), "topK must be between 1 and numExperts = 6, got 0");
        rejects(b -> b.setTopK(7), "topK must be between 1 and numExperts = 6, got 7");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SharedExpertSpec(0, false))
                .withMessage("shared expert intermediateSize must be positive, got 0");
    }

    @Test
    void sizesAreRefusedWhereTheyOverflowWithTheirNumbers() {
        int over = SpecLimits.SIZE + 1;
        rejects(b -> b.setIntermediateSize(over), "intermediateSize must be at most 268435456, got 268435457");
        rejects(
                b -> b.optSharedExpert(SharedExpertSpec.of(over)),
                "shared expert intermediateSize must be at most 268435456, got 268435457");
        rejects(
                b -> b.optLatent(LatentSpec.builder()
                        .setLatentSize(over)
                        .setGroupSize(2)
                        .optFactored(ExpertOperator.DOWN)
                        .build()),
                "latentSize of DOWN must be at most 268435456, got 268435457");
        // Gate and up side by side, of the largest sizes, are still an int.
        assertThat(2 * SpecLimits.SIZE).isPositive();
        // 2^31 · 2^30 · 2^31 elements are more than a long counts; asking for the shape alone is no harm.
        ParameterShape stack = ParameterShape.of("down", Integer.MAX_VALUE, Integer.MAX_VALUE / 2, Integer.MAX_VALUE);
        assertThatExceptionOfType(ArithmeticException.class)
                .isThrownBy(stack::size)
                .withMessage("down [2147483647, 1073741823, 2147483647] has more than 2^63 elements");
    }

    @Test
    void rejectsRouterGroupsThatDoNotFitTheExperts() {
        rejects(
                b -> b.optRouter(groups(4, 2, GroupScore.MAX)),
                "numExperts = 6 is not divisible by the router's nGroup = 4");
        rejects(
                b -> b.setTopK(3).optRouter(groups(3, 1, GroupScore.MAX)),
                "topK = 3 exceeds the 2 experts of the router's topkGroup = 1 groups of 2");
        rejects(
                b -> b.optRouter(groups(6, 3, GroupScore.TOP2_SUM)),
                "TOP2_SUM needs router groups of at least 2 experts, got numExperts = 6 in nGroup = 6");
    }

    @Test
    void rejectsALatentPartThatDoesNotFitTheExperts() {
        rejects(
                b -> b.optGated(false).optLatent(latent().build()),
                "the experts are ungated, but the LatentSpec factors GATE; use optFactored(UP, DOWN)");
        rejects(
                b -> b.optLatent(latent().setGroupSize(7).build()),
                "groupSize = 7 exceeds numExperts = 6; use groupSize = numExperts for one group");
        rejects(
                b -> b.optLatent(
                        latent().setGroups(new ExpertGroups(List.of(0, 1))).build()),
                "the LatentSpec partitions 2 experts, the layer has numExperts = 6");
    }

    @Test
    void capacityIsTheRoundedUpShareOfTheChoicesButNeverMoreThanTheTokens() {
        assertThat(capacity(Double.POSITIVE_INFINITY, 9)).isEqualTo(9);
        // ceil(1 · 9 · 2 / 6) = 3, ceil(1.25 · 3) = ceil(3.75) = 4, ceil(0.5 · 3) = 2
        assertThat(capacity(1, 9)).isEqualTo(3);
        assertThat(capacity(1.25, 9)).isEqualTo(4);
        assertThat(capacity(0.5, 9)).isEqualTo(2);
        assertThat(capacity(100, 9)).isEqualTo(9);
        assertThat(capacity(1e-9, 9)).isEqualTo(1);
        assertThat(capacity(1, 0)).isZero();
    }

    @Test
    void groupsComeFromTheGroupSizeOrTheExplicitPartition() {
        MoeSpec spec = small().build();
        assertThat(spec.withLatent(latent().build()).expertGroups().groupOf()).containsExactly(0, 0, 0, 0, 1, 1);
        ExpertGroups groups = new ExpertGroups(List.of(1, 0, 1, 0, 2, 2));
        assertThat(spec.withLatent(latent().setGroups(groups).build()).expertGroups())
                .isEqualTo(groups);
        assertThatIllegalStateException()
                .isThrownBy(spec::expertGroups)
                .withMessage("a standard MoE layer has no latent groups");
    }

    @Test
    void knowsItsOperatorsAndTheirWidths() {
        MoeSpec spec = small().build().withLatent(latent().optFactored(UP).build());
        assertThat(spec.operators()).containsExactly(GATE, UP, DOWN);
        assertThat(spec.expertWidth(GATE)).isEqualTo(10);
        assertThat(spec.expertWidth(UP)).isEqualTo(3);
        assertThat(spec.expertWidth(DOWN)).isEqualTo(10);
        assertThat(small().optGated(false).build().operators()).containsExactly(UP, DOWN);
    }

    @Test
    void listsTheParametersOfTheStandardLayer() {
        assertThat(parameters(small().build())).isEqualTo("router[6, 10] gate_up[6, 8, 10] down[6, 10, 4]");
    }

    @Test
    void listsTheParametersOfEveryKindOfLatentLayer() {
        MoeSpec moe = small().build();
        assertThat(parameters(moe.withLatent(latent().build())))
                .isEqualTo("router[6, 10] latent_in[2, 6, 10] gate[6, 4, 3] up[6, 4, 3] down[6, 3, 4] "
                        + "latent_out[2, 10, 3]");
        assertThat(parameters(moe.withLatent(latent().optTiedGateUp(true).build())))
                .isEqualTo("router[6, 10] latent_in[2, 3, 10] gate_up[6, 8, 3] down[6, 3, 4] latent_out[2, 10, 3]");
        assertThat(parameters(moe.withLatent(latent().optFactored(DOWN).build())))
                .isEqualTo("router[6, 10] gate_up[6, 8, 10] down[6, 3, 4] latent_out[2, 10, 3]");
        assertThat(parameters(moe.withLatent(latent().optFactored(UP).build())))
                .isEqualTo("router[6, 10] latent_in[2, 3, 10] gate[6, 4, 10] up[6, 4, 3] down[6, 10, 4]");
        assertThat(parameters(moe.withLatent(
                        latent().optLatentSize(GATE, 2).optLatentSize(DOWN, 5).build())))
                .isEqualTo("router[6, 10] latent_in[2, 5, 10] gate[6, 4, 2] up[6, 4, 3] down[6, 5, 4] "
                        + "latent_out[2, 10, 5]");
    }

    @Test
    void listsBiasAndSharedExpertWhereThereAreAny() {
        RouterSpec biased = RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optCorrectionBias(true)
                .build();
        assertThat(parameters(small().optRouter(biased)
                        .optSharedExpert(new SharedExpertSpec(7, true))
                        .build()))
                .isEqualTo("router[6, 10] e_score_correction_bias[6] gate_up[6, 8, 10] down[6, 10, 4] "
                        + "shared_gate_up[14, 10] shared_down[10, 7] shared_gate[1, 10]");
        assertThat(parameters(small().optGated(false)
                        .optSharedExpert(SharedExpertSpec.of(7))
                        .build()))
                .isEqualTo("router[6, 10] up[6, 4, 10] down[6, 10, 4] shared_up[7, 10] shared_down[10, 7]");
    }

    @Test
    void thePapersPairHasThePapersParameterCounts() {
        // the paper's pre-training pair: n = 512, m = r = 256, N = 32, k = 8, 12 layers
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(512)
                .setIntermediateSize(256)
                .setNumExperts(32)
                .setTopK(4)
                .build();
        MoeSpec molae = moe.withLatent(
                LatentSpec.builder().setLatentSize(256).setGroupSize(8).build());
        assertThat(12 * routedExpertSize(moe)).isEqualTo(150_994_944);
        assertThat(12 * routedExpertSize(molae)).isEqualTo(94_371_840);
    }

    @Test
    void parameterShapesAreCheckedAndSized() {
        assertThat(ParameterShape.of("w", 2, 3, 5).size()).isEqualTo(30);
        assertThat(ParameterShape.of("w", 1 << 20, 1 << 20).size()).isEqualTo(1L << 40);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ParameterShape.of("w", 2, 0))
                .withMessage("dimension of w must be positive, got 0");
    }

    private static RouterSpec groups(int nGroup, int topkGroup, GroupScore score) {
        return RouterSpec.builder().optGroupLimit(nGroup, topkGroup, score).build();
    }

    private static int capacity(double factor, int tokens) {
        return small().optRouter(RouterSpec.builder().optCapacityFactor(factor).build())
                .build()
                .capacity(tokens);
    }

    private static String parameters(MoeSpec spec) {
        return spec.parameters().stream().map(p -> p.name() + p.shape()).collect(Collectors.joining(" "));
    }

    private static long routedExpertSize(MoeSpec spec) {
        return spec.parameters().stream()
                .filter(p -> !p.name().equals("router"))
                .mapToLong(ParameterShape::size)
                .sum();
    }

    private static void rejects(UnaryOperator<MoeSpec.Builder> change, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> change.apply(small()).build())
                .withMessage(message);
    }
}
