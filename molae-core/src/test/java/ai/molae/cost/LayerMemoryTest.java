package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import ai.molae.testing.RandomSpecs;
import java.util.List;
import java.util.SplittableRandom;
import org.assertj.core.groups.Tuple;
import org.junit.jupiter.api.Test;

/** n = 8, m = 4, N = 4, K = 2, r = 3, groups of 2: E[D] = 2·(1 − 1/6) = 5/3. All numbers are worked out by hand. */
class LayerMemoryTest {

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(8)
            .setIntermediateSize(4)
            .setNumExperts(4)
            .setTopK(2)
            .build();
    private static final MoeSpec MOLAE =
            MOE.withLatent(LatentSpec.builder().setLatentSize(3).setGroupSize(2).build());
    private static final MoeSpec ONE_GROUP =
            MOE.withLatent(LatentSpec.builder().setLatentSize(3).setGroupSize(4).build());
    private static final int T = 6;

    @Test
    void float32TrainingKeepsTwoMomentsAndBfloat16AMasterCopyToo() {
        LayerCost cost = CostModel.layer(MOE); // 4·8 + 3·4·4·8 = 416 parameters
        assertThat(cost.weightBytes(ElementType.FLOAT32)).isEqualTo(416 * 4);
        assertThat(cost.gradientBytes(ElementType.FLOAT32)).isEqualTo(416 * 4);
        assertThat(cost.optimizerBytes(ElementType.FLOAT32)).isEqualTo(416 * 8);
        assertThat(cost.weightBytes(ElementType.BFLOAT16)).isEqualTo(416 * 2);
        assertThat(cost.gradientBytes(ElementType.BFLOAT16)).isEqualTo(416 * 2);
        assertThat(cost.optimizerBytes(ElementType.BFLOAT16)).isEqualTo(416 * 12);
        assertThat(cost.weightBytes(ElementType.INT8)).isEqualTo(416);
    }

    @Test
    void theCorrectionBiasIsStoredInFloat32AndNotTrained() {
        RouterSpec router = RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optCorrectionBias(true)
                .build();
        LayerCost cost = CostModel.layer(MOE.toBuilder().optRouter(router).build());
        assertThat(cost.parameters()).isEqualTo(420);
        assertThat(cost.weightBytes(ElementType.BFLOAT16)).isEqualTo(416 * 2 + 4 * 4);
        assertThat(cost.gradientBytes(ElementType.BFLOAT16)).isEqualTo(416 * 2);
        assertThat(cost.optimizerBytes(ElementType.BFLOAT16)).isEqualTo(416 * 12);
        assertThat(cost.decodeBytes(ElementType.BFLOAT16, 1)).isEqualTo((32 + 2 * 96) * 2 + 4 * 4);
    }

    @Test
    void indicesAreNoWeightsAndInt8IsNotTrained() {
        LayerCost cost = CostModel.layer(MOE);
        assertThatThrownBy(() -> cost.weightBytes(ElementType.INT64)).hasMessageContaining("INT64");
        assertThatThrownBy(() -> cost.decodeBytes(ElementType.INT64, 1)).hasMessageContaining("INT64");
        assertThatThrownBy(() -> cost.gradientBytes(ElementType.INT8)).hasMessageContaining("INT8");
        assertThatThrownBy(() -> cost.optimizerBytes(ElementType.INT8)).hasMessageContaining("INT8");
        assertThatThrownBy(() -> cost.activations(T, ElementType.INT8, ActivationPolicy.RECOMPUTE))
                .hasMessageContaining("INT8");
        assertThatThrownBy(() -> cost.activations(0, ElementType.FLOAT32, ActivationPolicy.RECOMPUTE))
                .hasMessageContaining("tokens");
    }

    @Test
    void aStandardLayerKeepsGatheredInputsPreActivationsAndWeightedH() {
        assertThat(kept(MOE, ActivationPolicy.KEEP_GATHERED))
                .containsExactly(
                        tuple("x", 6.0, 8L, ElementType.BFLOAT16),
                        tuple("router_scores", 6.0, 4L, ElementType.FLOAT32),
                        tuple("routing_weights", 6.0, 2L, ElementType.FLOAT32),
                        tuple("expert_ids", 6.0, 2L, ElementType.INT64),
                        tuple("row_token", 12.0, 1L, ElementType.INT64),
                        tuple("x_rows", 12.0, 8L, ElementType.BFLOAT16),
                        tuple("gate_up", 12.0, 8L, ElementType.BFLOAT16),
                        tuple("h", 12.0, 4L, ElementType.BFLOAT16));
        // 2·(48 + 96 + 96 + 48) + 4·(24 + 12) + 8·(12 + 12)
        assertThat(CostModel.layer(MOE).activationBytes(T, ElementType.BFLOAT16, ActivationPolicy.KEEP_GATHERED))
                .isEqualTo(576 + 144 + 192);
    }

    @Test
    void aLatentLayerKeepsLatentsAndTheirSums() {
        assertThat(kept(MOLAE, ActivationPolicy.KEEP_GATHERED))
                .contains(
                        tuple("x_pairs", 10.0, 8L, ElementType.BFLOAT16),
                        tuple("pair_token", 10.0, 1L, ElementType.INT64),
                        tuple("row_pair", 12.0, 1L, ElementType.INT64),
                        tuple("z_rows", 12.0, 6L, ElementType.BFLOAT16),
                        tuple("gate_up", 12.0, 8L, ElementType.BFLOAT16),
                        tuple("h", 12.0, 4L, ElementType.BFLOAT16),
                        tuple("s", 10.0, 3L, ElementType.BFLOAT16))
                .extracting(t -> t.toList().get(0))
                .doesNotContain("x_rows", "z");
        assertThat(kept(MOLAE, ActivationPolicy.KEEP_DISTINCT))
                .contains(tuple("z", 10.0, 6L, ElementType.BFLOAT16), tuple("s", 10.0, 3L, ElementType.BFLOAT16))
                .extracting(t -> t.toList().get(0))
                .doesNotContain("x_rows", "x_pairs", "z_rows");
    }

    @Test
    void oneGroupNeedsNoGatherOfXPerGroup() {
        assertThat(kept(ONE_GROUP, ActivationPolicy.KEEP_GATHERED))
                .contains(tuple("z_rows", 12.0, 6L, ElementType.BFLOAT16), tuple("s", 6.0, 3L, ElementType.BFLOAT16))
                .extracting(t -> t.toList().get(0))
                .doesNotContain("x_rows", "x_pairs", "pair_token", "row_pair");
    }

    @Test
    void gateFactoredAndUpDenseKeepBothInputs() {
        LatentSpec latent = LatentSpec.builder()
                .setLatentSize(3)
                .setGroupSize(2)
                .optFactored(ExpertOperator.GATE)
                .build();
        assertThat(kept(MOE.withLatent(latent), ActivationPolicy.KEEP_GATHERED))
                .contains(
                        tuple("x_rows", 12.0, 8L, ElementType.BFLOAT16),
                        tuple("z_rows", 12.0, 3L, ElementType.BFLOAT16))
                .extracting(t -> t.toList().get(0))
                .doesNotContain("s");
    }

    @Test
    void sharedAndUngatedExpertsKeepTheirOwnTensors() {
        MoeSpec shared =
                MOE.toBuilder().optSharedExpert(new SharedExpertSpec(5, true)).build();
        assertThat(kept(shared, ActivationPolicy.KEEP_DISTINCT))
                .contains(
                        tuple("shared_gate_up", 6.0, 10L, ElementType.BFLOAT16),
                        tuple("shared_h", 6.0, 5L, ElementType.BFLOAT16),
                        tuple("shared_gate", 6.0, 1L, ElementType.BFLOAT16));
        MoeSpec ungated = MOE.toBuilder()
                .optGated(false)
                .optSharedExpert(SharedExpertSpec.of(5))
                .build();
        assertThat(kept(ungated, ActivationPolicy.KEEP_DISTINCT))
                .contains(
                        tuple("up", 12.0, 4L, ElementType.BFLOAT16), tuple("shared_up", 6.0, 5L, ElementType.BFLOAT16))
                .extracting(t -> t.toList().get(0))
                .doesNotContain("gate_up", "shared_gate_up", "shared_gate");
    }

    @Test
    void noLayerKeepsExpertOutputsAndRecomputationKeepsTheInputOnly() {
        SplittableRandom random = new SplittableRandom(11);
        for (int i = 0; i < 500; i++) {
            MoeSpec spec = RandomSpecs.next(random);
            for (ActivationPolicy policy : ActivationPolicy.values()) {
                assertThat(kept(spec, policy))
                        .extracting(t -> t.toList().get(0))
                        .doesNotHaveDuplicates()
                        .doesNotContain("y", "expert_output");
            }
            assertThat(kept(spec, ActivationPolicy.RECOMPUTE))
                    .containsExactly(tuple("x", 6.0, (long) spec.hiddenSize(), ElementType.BFLOAT16));
        }
    }

    @Test
    void trainingBytesAddUp() {
        TrainingBytes bytes = CostModel.layer(MOE)
                .trainingBytes(ElementType.FLOAT32, ElementType.BFLOAT16, T, ActivationPolicy.RECOMPUTE);
        assertThat(bytes).isEqualTo(new TrainingBytes(416 * 4, 416 * 4, 416 * 8, 6 * 8 * 2));
        assertThat(bytes.total()).isEqualTo(416 * 16 + 96);
    }

    @Test
    void decodingReadsTheExpertsAndProjectionsTheBatchTouches() {
        // One token: router 32, two experts of 3·4·8 = 96.
        assertThat(CostModel.layer(MOE).decodeBytes(ElementType.BFLOAT16, 1)).isEqualTo(2 * (32 + 192));
        // Three tokens: 4·(1 − (1 − 2/4)³) = 3.5 experts.
        assertThat(CostModel.layer(MOE).decodeBytes(ElementType.BFLOAT16, 3))
                .isCloseTo(2 * (32 + 3.5 * 96), within(1e-9));
        // 2·(1 − (1/6)³) groups of 3·3·8 = 72, 3.5 experts of 3·4·3 = 36.
        assertThat(CostModel.layer(MOLAE).decodeBytes(ElementType.BFLOAT16, 3))
                .isCloseTo(2 * (32 + 3.5 * 36 + 2 * (1 - 1 / 216.0) * 72), within(1e-9));
        assertThat(CostModel.layer(MOLAE).touchedParameters(100_000))
                .isEqualTo((double) CostModel.layer(MOLAE).parameters());
    }

    @Test
    void trafficFallsFromTheHiddenToTheLatentSize() {
        assertThat(traffic(MOE)).isEqualTo(new ExpertTraffic(2 * 8, 2 * 8));
        assertThat(traffic(MOLAE)).isEqualTo(new ExpertTraffic(2 * (3 + 3), 2 * 3));
        assertThat(traffic(MOLAE).total()).isEqualTo(18);
        LatentSpec.Builder latent = LatentSpec.builder().setLatentSize(3).setGroupSize(2);
        assertThat(traffic(MOE.withLatent(latent.optTiedGateUp(true).build())))
                .isEqualTo(new ExpertTraffic(2 * 3, 2 * 3));
    }

    @Test
    void trafficCountsDenseOperatorsAtTheHiddenSize() {
        assertThat(traffic(factored(ExpertOperator.GATE, ExpertOperator.UP)))
                .isEqualTo(new ExpertTraffic(2 * (3 + 3), 2 * 8));
        assertThat(traffic(factored(ExpertOperator.DOWN))).isEqualTo(new ExpertTraffic(2 * 8, 2 * 3));
        // x itself is sent for the dense up; the latent of gate follows from it on the other side.
        assertThat(traffic(factored(ExpertOperator.GATE))).isEqualTo(new ExpertTraffic(2 * 8, 2 * 8));
        MoeSpec ungated = MOE.toBuilder()
                .optGated(false)
                .optLatent(LatentSpec.builder()
                        .setLatentSize(3)
                        .setGroupSize(2)
                        .optFactored(ExpertOperator.UP, ExpertOperator.DOWN)
                        .build())
                .build();
        assertThat(traffic(ungated)).isEqualTo(new ExpertTraffic(2 * 3, 2 * 3));
    }

    @Test
    void qwen3sTrafficIsThatOfTheFormula() {
        MoeSpec qwen3 = (MoeSpec) ModelPresets.QWEN3_30B_A3B.feedForwards().get(0);
        assertThat(traffic(qwen3).total()).isEqualTo(2 * 8 * 2048);
    }

    private static MoeSpec factored(ExpertOperator... operators) {
        return MOE.withLatent(LatentSpec.builder()
                .setLatentSize(3)
                .setGroupSize(2)
                .optFactored(operators)
                .build());
    }

    private static ExpertTraffic traffic(MoeSpec spec) {
        return CostModel.layer(spec).traffic();
    }

    private static List<Tuple> kept(MoeSpec spec, ActivationPolicy policy) {
        return CostModel.layer(spec).activations(T, ElementType.BFLOAT16, policy).stream()
                .map(t -> tuple(t.name(), Math.round(t.rows() * 1e9) / 1e9, t.columns(), t.elementType()))
                .toList();
    }
}
