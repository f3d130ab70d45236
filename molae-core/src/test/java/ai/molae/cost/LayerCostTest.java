package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import ai.molae.spec.SharedExpertSpec;
import ai.molae.spec.SpecLimits;
import ai.molae.testing.RandomSpecs;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Numbers and formulas of arXiv 2503.23100 and 2601.18089, generalised as {@link LayerCost} says. */
class LayerCostTest {

    private static final long SEED = 2503_23100;
    private static final int SPECS = 2000;

    @Test
    void parametersAreTheSizesOfTheSpecsParameterShapes() {
        for (MoeSpec spec : randomLayers(SEED)) {
            LayerCost cost = CostModel.layer(spec);
            long sizes =
                    spec.parameters().stream().mapToLong(ParameterShape::size).sum();
            assertThat(cost.parameters()).as("%s", spec).isEqualTo(sizes);
            long bias = spec.router().correctionBias() ? spec.numExperts() : 0;
            assertThat(cost.trainableParameters()).as("%s", spec).isEqualTo(sizes - bias);
            assertThat(cost.routedExpertParameters())
                    .as("%s", spec)
                    .isEqualTo(sizes - cost.parameters(LayerPart.ROUTER) - cost.parameters(LayerPart.SHARED));
        }
    }

    @Test
    void forwardFlopsAreTwiceTheWeightsATokenMultiplies() {
        for (MoeSpec spec : randomLayers(SEED + 1)) {
            LayerCost cost = CostModel.layer(spec);
            int most = spec.latent().isPresent()
                    ? Math.min(spec.topK(), spec.expertGroups().numGroups())
                    : 1;
            for (int distinctGroups = 1; distinctGroups <= most; distinctGroups++) {
                double flops = flopsByWalkingShapes(spec, distinctGroups);
                assertThat(cost.forwardFlops(distinctGroups)).as("%s", spec).isCloseTo(flops, within(1e-6));
                assertThat(cost.backwardFlops(distinctGroups)).as("%s", spec).isCloseTo(2 * flops, within(1e-6));
            }
        }
    }

    private static double flopsByWalkingShapes(MoeSpec spec, double distinctGroups) {
        double flops = 0;
        for (ParameterShape parameter : spec.parameters()) {
            double size = parameter.size();
            int stacked = parameter.shape().get(0);
            flops += switch (parameter.name()) {
                case "e_score_correction_bias" -> 0;
                case "latent_in", "latent_out" -> 2 * size / stacked * distinctGroups;
                case "gate_up", "gate", "up", "down" -> 2 * size / stacked * spec.topK();
                default -> 2 * size;
            };
        }
        return flops;
    }

    @Test
    void partsAddUpToTheWhole() {
        for (MoeSpec spec : randomLayers(SEED + 2)) {
            LayerCost cost = CostModel.layer(spec);
            long parameters = 0;
            double active = 0;
            double flops = 0;
            for (LayerPart part : LayerPart.values()) {
                parameters += cost.parameters(part);
                active += cost.activeParameters(part);
                flops += cost.forwardFlops(part);
            }
            assertThat(cost.parameters()).isEqualTo(parameters);
            assertThat(cost.activeParameters()).isCloseTo(active, within(1e-6));
            assertThat(cost.forwardFlops()).isCloseTo(flops, within(1e-6));
            assertThat(cost.backwardFlops()).isCloseTo(2 * flops, within(1e-6));
        }
    }

    @Test
    void aStandardLayerCostsWhatTheBookSays() {
        LayerCost cost = CostModel.layer(moe(2048, 768, 128, 8).build());
        assertThat(cost.routedExpertParameters()).isEqualTo(3L * 128 * 768 * 2048);
        assertThat(cost.parameters(LayerPart.ROUTER)).isEqualTo(128 * 2048);
        assertThat(cost.forwardFlops()).isEqualTo(2.0 * 2048 * 128 + 6.0 * 8 * 768 * 2048);
        assertThat(cost.activeParameters()).isEqualTo(2048.0 * 128 + 3.0 * 8 * 768 * 2048);
        assertThat(cost.expectedDistinctGroups()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"2048, 768, 128, 2.00", "7168, 2048, 256, 2.43"})
    void oneGroupWithLatentSizeMCutsTheExpertsFlops(int n, int m, int experts, double ratio) {
        MoeSpec moe = moe(n, m, experts, 8).build();
        double standard = expertFlops(CostModel.layer(moe));
        double latent = expertFlops(CostModel.layer(moe.withLatent(all(m, experts))));
        assertThat(standard / latent).isCloseTo(24.0 * n / (3.0 * n + 24.0 * m), within(1e-12));
        assertThat(standard / latent).isCloseTo(ratio, within(0.005));
    }

    @Test
    void theRatiosToAStandardLayerAreThoseOfTheBook() {
        int n = 512;
        int m = 256;
        int k = 8;
        MoeSpec moe = moe(n, m, 32, 8).build();
        LayerCost standard = CostModel.layer(moe);
        LayerCost three = CostModel.layer(moe.withLatent(all(m, k)));
        LayerCost gateUp = CostModel.layer(moe.withLatent(LatentSpec.builder()
                .setLatentSize(m)
                .setGroupSize(k)
                .optFactored(ExpertOperator.GATE, ExpertOperator.UP)
                .build()));
        double parameterRatio = (double) m / n + 1.0 / k;
        assertThat((double) three.routedExpertParameters() / standard.routedExpertParameters())
                .isCloseTo(parameterRatio, within(1e-12));
        assertThat((double) gateUp.routedExpertParameters() / standard.routedExpertParameters())
                .isCloseTo(1 / 3.0 + 2 / 3.0 * parameterRatio, within(1e-12));
        // E[D] = 4·(1 − C(24, 8)/C(32, 8))
        double distinct = 4 * (1 - 735_471.0 / 10_518_300.0);
        double flopRatio = (double) m / n + distinct / 8;
        assertThat(three.expectedDistinctGroups()).isCloseTo(distinct, within(1e-12));
        assertThat(expertFlops(three) / expertFlops(standard)).isCloseTo(flopRatio, within(1e-12));
        assertThat(expertFlops(gateUp) / expertFlops(standard)).isCloseTo(1 / 3.0 + 2 / 3.0 * flopRatio, within(1e-12));
    }

    @Test
    void tiedGateAndUpPayForOneProjection() {
        MoeSpec moe = moe(64, 32, 8, 2).build();
        LatentSpec.Builder latent = LatentSpec.builder().setLatentSize(16).setGroupSize(8);
        LayerCost untied = CostModel.layer(moe.withLatent(latent.build()));
        LayerCost tied =
                CostModel.layer(moe.withLatent(latent.optTiedGateUp(true).build()));
        assertThat(untied.parameters() - tied.parameters()).isEqualTo(16 * 64);
        assertThat(untied.forwardFlops() - tied.forwardFlops()).isEqualTo(2 * 16 * 64);
    }

    @Test
    void latentMoeCostsItsPublishedFormula() {
        // arXiv 2601.18089, SwiGLU: 6·ℓ·m·K for the experts and 4·n·ℓ for both projections.
        LatentSpec latent = LatentSpec.builder()
                .setLatentSize(1024)
                .setGroupSize(512)
                .optTiedGateUp(true)
                .build();
        LayerCost cost =
                CostModel.layer(moe(4096, 2688, 512, 22).optLatent(latent).build());
        assertThat(expertFlops(cost)).isEqualTo(6.0 * 1024 * 2688 * 22 + 4.0 * 4096 * 1024);
    }

    @Test
    void ungatedLatentMoeCostsItsPublishedFormula() {
        // Nemotron-3 Super: 4·ℓ·m·K + 4·n·ℓ, shared expert of 5376 on the full width.
        LatentSpec latent = LatentSpec.builder()
                .setLatentSize(1024)
                .setGroupSize(512)
                .optFactored(ExpertOperator.UP, ExpertOperator.DOWN)
                .build();
        LayerCost cost = CostModel.layer(moe(4096, 2688, 512, 22)
                .optGated(false)
                .optLatent(latent)
                .optSharedExpert(SharedExpertSpec.of(5376))
                .build());
        assertThat(expertFlops(cost)).isEqualTo(4.0 * 1024 * 2688 * 22 + 4.0 * 4096 * 1024);
        assertThat(cost.forwardFlops(LayerPart.SHARED)).isEqualTo(4.0 * 4096 * 5376);
        assertThat(cost.parameters(LayerPart.GATE)).isZero();
    }

    @Test
    void aFactoredOperatorPaysBelowTheBreakEvenLatentSizeOnly() {
        int n = 512;
        int m = 256;
        double breakEven = CostModel.breakEvenLatentSize(n, m, 8, 3); // 8·256·512 / (3·512 + 8·256) = 292.57
        assertThat(breakEven).isCloseTo(292.571, within(0.001));
        MoeSpec moe = moe(n, m, 32, 8).build();
        double dense = CostModel.layer(moe).forwardFlops();
        assertThat(CostModel.layer(moe.withLatent(all(292, 8))).forwardFlops(3)).isLessThan(dense);
        assertThat(CostModel.layer(moe.withLatent(all(293, 8))).forwardFlops(3)).isGreaterThan(dense);
        assertThat(CostModel.breakEvenLatentSize(n, m, 32, 4)).isEqualTo(32.0 * m * n / (4 * n + 32 * m));
    }

    @Test
    void groupsOfOneExpertCostMoreThanTheySave() {
        MoeSpec moe = moe(512, 256, 32, 8).build();
        double ratio = expertFlops(CostModel.layer(moe.withLatent(all(256, 1)))) / expertFlops(CostModel.layer(moe));
        assertThat(ratio).isCloseTo(1.5, Percentage.withPercentage(1e-9));
    }

    @Test
    void distinctGroupsBeyondTheLayersLimitsAreRefused() {
        LayerCost cost = CostModel.layer(moe(16, 8, 8, 2).optLatent(all(4, 2)).build());
        assertThatThrownBy(() -> cost.forwardFlops(2.5))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("topK = 2")
                .hasMessageContaining("numGroups = 4")
                .hasMessageContaining("2.5");
        assertThatThrownBy(() -> cost.forwardFlops(0.5)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> cost.forwardFlops(Double.NaN)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aLayerWhoseCountsWouldNotFitALongIsRefused() {
        assertThatThrownBy(() -> moe(1 << 28, 1 << 28, 65_536, 1).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("numExperts = 65536, hiddenSize = 268435456, intermediateSize = 268435456")
                .hasMessageContaining("the limit is " + SpecLimits.PARAMETERS);
        // Twice a width does not overflow an int either.
        assertThatThrownBy(() -> moe(8, (1 << 30) + 1, 1, 1).build()).hasMessageContaining("at most 268435456");
        assertThatThrownBy(() -> moe(8, 8, Integer.MAX_VALUE, 1).build()).hasMessageContaining("at most 65536");
        assertThatThrownBy(() -> ExpertGroups.contiguous(Integer.MAX_VALUE, 1)).hasMessageContaining("at most 65536");
    }

    private static List<MoeSpec> randomLayers(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return Stream.generate(() -> RandomSpecs.next(random)).limit(SPECS).toList();
    }

    private static double expertFlops(LayerCost cost) {
        return cost.forwardFlops() - cost.forwardFlops(LayerPart.ROUTER) - cost.forwardFlops(LayerPart.SHARED);
    }

    private static LatentSpec all(int latentSize, int groupSize) {
        return LatentSpec.builder()
                .setLatentSize(latentSize)
                .setGroupSize(groupSize)
                .build();
    }

    private static MoeSpec.Builder moe(int n, int m, int experts, int topK) {
        return MoeSpec.builder()
                .setHiddenSize(n)
                .setIntermediateSize(m)
                .setNumExperts(experts)
                .setTopK(topK);
    }
}
