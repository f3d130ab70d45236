package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LayerPlannerTest {

    private static final MoeSpec MOE = SmallMoe.MOE;
    private static final ExpertGroups FOURS = ExpertGroups.contiguous(8, 4);

    private static LayerPlanner planner(RankPolicy ranks) {
        return new LayerPlanner(SmallMoe.method(ranks, 4).build());
    }

    private static RankPolicy.Budget parameters(double ratio) {
        return new RankPolicy.Budget(RankPolicy.Unit.PARAMETERS, ratio);
    }

    /** Matrices must not be read. */
    private record Unread(MoeSpec spec) implements ExpertSource {
        @Override
        public NDArray read(NDManager manager, int expert, ExpertOperator operator) {
            throw new AssertionError("read");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 8, 9, 1000})
    void sizesBeyondTheLayerMeanTheLayer(int groupSize) {
        for (GroupPolicy.Kind kind : GroupPolicy.Kind.values()) {
            LayerPlanner planner = new LayerPlanner(ConversionMethod.builder()
                    .setRanks(SmallMoe.rank(3))
                    .optGroups(new GroupPolicy(kind, groupSize, false))
                    .build());

            assertThat(planner.groups(new Unread(MOE), Metric.FROBENIUS, Optional.empty()))
                    .isEqualTo(ExpertGroups.contiguous(8, 8));
        }
    }

    @Test
    void theLastGroupMayBeSmaller() {
        LayerPlanner planner =
                new LayerPlanner(SmallMoe.method(SmallMoe.rank(3), 3).build());

        ExpertGroups groups = planner.groups(new Unread(MOE), Metric.FROBENIUS, Optional.empty());

        assertThat(groups.sizes()).containsExactly(3, 3, 2);
        assertThat(planner.latent(MOE, groups).latentSizes()).containsEntry(ExpertOperator.GATE, 3);
    }

    @Test
    void aRatioHasToLeaveOneDimension() {
        // 3 · 8 · 12 · 16 = 4608 numbers; a dimension of all operators takes 3 (2 · 16 + 8 · 12) = 384 of them.
        LatentSpec least = planner(new RankPolicy.Uniform(384.0 / 4608)).latent(MOE, FOURS);
        assertThat(least.latentSizes().values()).containsOnly(1);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> planner(new RankPolicy.Uniform(383.0 / 4608)).latent(MOE, FOURS))
                .withMessageContainingAll("a ratio of 0.083", "takes 0.000", "in 2 groups 0.08333");
    }

    @Test
    void aRatioDoesNotExceedTheRank() {
        ExpertGroups ones = ExpertGroups.contiguous(8, 1);

        assertThat(planner(new RankPolicy.Uniform(1))
                        .latent(MOE, ones)
                        .latentSizes()
                        .values())
                .allMatch(r -> r <= 12);
    }

    @Test
    void tiedProjectionsCountOnce() {
        LayerPlanner tied = new LayerPlanner(SmallMoe.method(new RankPolicy.Uniform(0.5), 4)
                .optTiedGateUp(true)
                .build());

        // 2304 / (3 · 96 + 2 · 32) = 6.5, and 2304 / 384 = 6 apart
        assertThat(tied.latent(MOE, FOURS).latentSizes().values()).containsOnly(6);
        assertThat(new LayerPlanner(SmallMoe.method(new RankPolicy.Uniform(0.54), 4)
                                .optTiedGateUp(true)
                                .build())
                        .latent(MOE, FOURS)
                        .latentSizes()
                        .values())
                .containsOnly(7);
        assertThat(planner(new RankPolicy.Uniform(0.54))
                        .latent(MOE, FOURS)
                        .latentSizes()
                        .values())
                .containsOnly(6);
    }

    @Test
    void operatorsThatExpertsHaveNotAreLeftOut() {
        MoeSpec ungated =
                MOE.toBuilder().optGated(false).optActivation(Activation.RELU).build();
        assertThat(planner(SmallMoe.rank(3)).operators(ungated))
                .containsExactlyInAnyOrder(ExpertOperator.UP, ExpertOperator.DOWN);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new LayerPlanner(SmallMoe.method(SmallMoe.rank(3), 4)
                                .optOperators(EnumSet.of(ExpertOperator.GATE))
                                .build())
                        .operators(ungated))
                .withMessageContainingAll("[GATE]", "[UP, DOWN]");
    }

    /** Falling spectra of two groups; what is lost with r dimensions is known. */
    private static LayerPlanner.Spectra spectra(double decay) {
        Map<ExpertOperator, List<double[]>> all = new EnumMap<>(ExpertOperator.class);
        for (ExpertOperator operator : ExpertOperator.values()) {
            double[] values = new double[16];
            for (int j = 0; j < 16; j++) {
                values[j] = Math.exp(-decay * j * (1 + 0.1 * operator.ordinal()));
            }
            all.put(operator, List.of(values, values));
        }
        return new LayerPlanner.Spectra(MOE, FOURS, all);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.1, 0.3, 0.5, 0.7, 0.9})
    void aBudgetLosesNoMoreThanTheSameSizesEverywhere(double ratio) {
        Map<Integer, LayerPlanner.Spectra> layers =
                new TreeMap<>(Map.of(0, spectra(0.05), 1, spectra(0.3), 4, spectra(1)));

        Map<Integer, Optional<LatentSpec>> plan = planner(parameters(ratio)).allocate(layers, parameters(ratio));

        int r = (int) (ratio * 4608 / 384);
        double cost = 0;
        double lost = 0;
        double lostEvenly = 0;
        for (int layer : layers.keySet()) {
            for (ExpertOperator operator : ExpertOperator.values()) {
                double[] values = layers.get(layer).ofOperator().get(operator).get(0);
                Optional<LatentSpec> latent = plan.get(layer).filter(l -> l.isFactored(operator));
                cost += latent.map(l -> l.latentSize(operator) * 128).orElse(8 * 12 * 16);
                lost += latent.map(l -> lost(values, l.latentSize(operator))).orElse(0.0);
                lostEvenly += lost(values, r);
            }
        }
        assertThat(cost).isLessThanOrEqualTo(ratio * 3 * 4608);
        assertThat(lost).isLessThan(lostEvenly);
    }

    private static double lost(double[] values, int r) {
        double sum = 0;
        double tail = 0;
        for (int j = 0; j < values.length; j++) {
            sum += values[j];
            tail += j < r ? 0 : values[j];
        }
        return tail / sum;
    }

    @Test
    void aBudgetTooSmallIsRefusedWithTheNumbers() {
        Map<Integer, LayerPlanner.Spectra> layers = Map.of(0, spectra(0.1));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> planner(parameters(0.05)).allocate(layers, parameters(0.05)))
                .withMessageContainingAll("230.4", "384");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new LayerPlanner(SmallMoe.method(parameters(0.5), 4)
                                .optTiedGateUp(true)
                                .build())
                        .allocate(layers, parameters(0.5)))
                .withMessageContaining("tie them with equal latent sizes");
    }
}
