package ai.molae.bench.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.spec.ParameterShape;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LayerCaseTest {

    /** The share of each expert among the first choices of 16384 tokens, most popular first. */
    private static double[] sharesOfFirstChoices(ExpertLoad load) {
        LayerCase layer = new LayerCase(Shape.QWEN3_30B_A3B, Scale.TINY, Variant.MOE, load, 2048);
        double[] shares = new double[layer.spec().numExperts()];
        for (int input = 0; input < 8; input++) {
            for (int[] experts : layer.routing(layer.input(input)).experts()) {
                shares[experts[0]] += 1.0 / 2048 / 8;
            }
        }
        Arrays.sort(shares);
        double[] descending = new double[shares.length];
        Arrays.setAll(descending, i -> shares[shares.length - 1 - i]);
        return descending;
    }

    @Test
    void zipfsFirstChoicesFallOffAsOneThroughTheRank() {
        double[] shares = sharesOfFirstChoices(ExpertLoad.ZIPF);
        double harmonic = 0;
        for (int rank = 1; rank <= shares.length; rank++) {
            harmonic += 1.0 / rank;
        }
        // Three standard deviations of 16384 draws of 25 % are 0.01.
        for (int rank = 1; rank <= shares.length; rank++) {
            assertThat(shares[rank - 1]).as("rank %d", rank).isCloseTo(1 / (rank * harmonic), within(0.01));
        }
    }

    @Test
    void balancedExpertsAreChosenAlike() {
        double[] shares = sharesOfFirstChoices(ExpertLoad.BALANCED);
        assertThat(shares[0]).isLessThan(1.15 / shares.length);
        assertThat(shares[shares.length - 1]).isGreaterThan(0.85 / shares.length);
    }

    @Test
    void numbersAreTheSameWheneverTheyAreAskedFor() {
        LayerCase layer = new LayerCase(Shape.AWKWARD, Scale.TINY, Variant.MOLAE, ExpertLoad.ZIPF, 3);
        LayerCase again = new LayerCase(Shape.AWKWARD, Scale.TINY, Variant.MOLAE, ExpertLoad.ZIPF, 3);
        for (ParameterShape parameter : layer.spec().parameters()) {
            assertThat(again.slice(parameter, 0)).as(parameter.name()).isEqualTo(layer.slice(parameter, 0));
        }
        ParameterShape down = layer.spec().parameters().stream()
                .filter(p -> p.name().equals("down"))
                .findFirst()
                .orElseThrow();
        assertThat(layer.slice(down, 1)).isNotEqualTo(layer.slice(down, 0));
        assertThat(again.input(2)).isEqualTo(layer.input(2)).isNotEqualTo(layer.input(1));
    }

    @Test
    void anInputIsGeneratedOnce() {
        LayerCase layer = new LayerCase(Shape.AWKWARD, Scale.TINY, Variant.MOE, ExpertLoad.ZIPF, 3);

        assertThat(layer.input(1)).isSameAs(layer.input(1)).isNotSameAs(layer.input(0));
    }

    @ParameterizedTest
    @EnumSource
    void layersFitTheirScaleWithTheRatiosOfTheModel(Shape shape) {
        for (Scale scale : Scale.values()) {
            var spec = shape.standard(scale);
            assertThat(CostModel.layer(spec).parameters()).isLessThanOrEqualTo(scale.mostParameters());
            assertThat(spec.topK()).isEqualTo(shape.published().topK());
            assertThat((double) spec.intermediateSize() / spec.hiddenSize())
                    .isCloseTo(
                            (double) shape.published().intermediateSize()
                                    / shape.published().hiddenSize(),
                            within(0.02));
        }
    }

    @Test
    void aDenseLayerCostsAsManyFlopsAsTheExpertsOfAToken() {
        for (Shape shape : Shape.values()) {
            var moe = CostModel.layer(Variant.MOE.of(shape.published()));
            var dense = CostModel.layer(Variant.DENSE.of(shape.published()));
            // Up to the routers.
            assertThat(dense.forwardFlops() / moe.forwardFlops())
                    .as(shape.name())
                    .isBetween(0.98, 1.0);
        }
    }

    @Test
    void theChoicesOfBalancedInputsAreThoseThatTheCostModelExpects() {
        LayerCase layer = new LayerCase(Shape.QWEN3_30B_A3B, Scale.TINY, Variant.MOLAE_EIGHT, ExpertLoad.BALANCED, 16);
        LayerCost cost = CostModel.layer(layer.spec());
        InputRouting routing = InputRouting.of(layer, 64);
        assertThat(routing.groupsPerToken()).isCloseTo(cost.expectedDistinctGroups(), within(0.05));
        assertThat(routing.readBytes(layer.spec(), ElementType.FLOAT32) / cost.decodeBytes(ElementType.FLOAT32, 16))
                .isCloseTo(1, within(0.01));
    }

    @Test
    void popularExpertsLeaveLessToRead() {
        LayerCase balanced = new LayerCase(Shape.QWEN3_30B_A3B, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, 4);
        LayerCase zipf = new LayerCase(Shape.QWEN3_30B_A3B, Scale.TINY, Variant.MOE, ExpertLoad.ZIPF, 4);
        assertThat(InputRouting.of(zipf, 64).experts())
                .isLessThan(0.95 * InputRouting.of(balanced, 64).experts());
        assertThat(InputRouting.of(zipf, 8).groupsPerToken()).isZero();
    }
}
