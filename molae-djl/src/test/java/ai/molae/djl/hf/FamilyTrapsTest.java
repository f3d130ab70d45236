package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupScore;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The bugs that shipped in other MoE software, by the block and the loader; core's own stand in {@code TopKRouterTest.Traps} and {@code
 * BalanceLossTest}. Those that other tests set already:
 *
 * <ul>
 *   <li>routing: softmax over all, then top-k, then normalised is top-k, then softmax: {@link
 *       ai.molae.djl.moe.RouterAgreementTest#normalisedSoftmaxIsSoftmaxOverTheChosen}; the maximum of a group in V2, the sum of two in V3: {@code
 *       TopKRouterTest} and {@link ModelOptionsTest#routersAreThoseOfTheFamily}; what the golden logits would notice (an ε of the inner norms that
 *       is not theirs, YaRN's m² ...): {@link GoldenSensitivityTest}
 *   <li>losses: pooled over layers, padding left out, gradients: {@link GoldenTest#lossesAndGradientsAreThoseOfHuggingFace}, {@link
 *       GoldenTest#paddingCountsInNoLoss}; per sequence, divided by K: {@link GoldenRouterTest#theBalancingLossOfDeepSeekIsPerSequence}, {@link
 *       ModelOptionsTest#deepSeeksBalancingLossDividesByKAndMayBePerLayer}; the loss that is computed is added: {@link
 *       ai.molae.djl.lm.CausalLmLossTest#addsTheAuxiliaryLossOfTraining}; models without MoE layers: {@link
 *       ai.molae.djl.lm.CausalLmTest#returnsAZeroAuxiliaryLossWithoutMoeLayers}
 *   <li>loads: recomputation counts once, {@code MoeBlockRecomputeTest.recomputingChangesNoBit}; the bias is never trained, {@code
 *       MoeTrainingTest.theCorrectionBiasIsNeverTrainedAlsoAfterLoading}; its drift and the sign of its steps, {@code BalanceLossTest}
 *   <li>keys: spellings of the number of experts, and two that disagree: {@link
 *       ModelOptionsTest#theNumberOfExpertsHasThreeSpellingsInEveryFamily}, {@link ModelOptionsTest#whatIsMissingUnknownOrContradictsIsNamed}; what
 *       transformers 5 saves: {@link PublishedConfigTest#whatTransformers5SavesMeansTheSame}; {@code head_dim}: {@link
 *       AttentionOptionsTest#theWidthOfHeadsIsReadOrTheHiddenSizeShared}; defaults of {@code norm_topk_prob} and others: {@link
 *       ModelOptionsTest#absentKeysHaveTheDefaultsOfTheFamilysClass}
 *   <li>tensors: experts dropped or mangled in silence: {@link TensorAccountingTest}, {@link StackedExpertsTest}, {@link QuantizedCheckpointTest};
 *       round trips: {@link CheckpointSaverTest}
 *   <li>LatentMoE and stacked experts: {@link LatentMoeTrapsTest}; the formula to the letter, {@link NemotronLayerTest}; Kimi-K3's norm is refused, {@link
 *       NemotronLatentMoeTest#whatIsNotImplementedIsNamed}; plans that forget the latents, {@code LayerCostTest} and {@code LayerMemoryTest}
 *   <li>big models on small machines: {@link LoadingMemoryTest}
 * </ul>
 */
class FamilyTrapsTest {
    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private RouterProbe probe(int numExperts, int topK, RouterSpec.Builder router, double... bias) {
        return new RouterProbe(manager, numExperts, topK, router.build(), Precision.FLOAT32, bias);
    }

    private static RouterSpec.Builder sigmoid() {
        return RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optCorrectionBias(true)
                .optNormTopkProb(false);
    }

    @Nested
    class Routing {

        /** Scores 0.5, 0.75, 0.8, 0.2. */
        private final double[] odds = {0, Math.log(3), Math.log(4), -Math.log(4)};

        @Test
        void weightsAreScoresWithoutTheBiasThatChose() { // transformers 41647, vLLM 12002
            assertThat(probe(4, 1, sigmoid(), 0, 0, 0, 5).weights(odds))
                    .containsExactly(new float[] {0, 0, 0, 0.2f}, within(1e-7f));
        }

        @Test
        void aBiasOfTwelveDoesNotSwallowAScoreOf1e8() { // FlashInfer 3875
            float s = (float) (1 / (1 + Math.exp(18.4)));
            assertThat(probe(2, 1, sigmoid(), 0, 12).weights(0, -18.4)[1]).isCloseTo(s, within(1e-6f * s));
            assertThat(probe(2, 1, sigmoid().optNormTopkProb(true), 0, 12).weights(0, -18.4))
                    .containsExactly(new float[] {0, 1}, within(1e-6f));
        }

        @Test
        void otherGroupsAreMaskedWithMinusInfinityAndNotZero() { // transformers 45440, vLLM 13474
            RouterSpec.Builder router = sigmoid().optGroupLimit(2, 1, GroupScore.TOP2_SUM);
            assertThat(probe(4, 2, router, -2, -2, -2, -2).weights(odds))
                    .containsExactly(new float[] {0.5f, 0.75f, 0, 0}, within(1e-6f));
        }

        @Test
        void twentyTwoOf512ExpertsAreNotTooMany() { // exllamav3 359
            double[] logits =
                    IntStream.range(0, 512).mapToDouble(e -> e % 64 / 10.0).toArray();
            for (RouterProbe probe : List.of(
                    probe(512, 22, RouterSpec.builder()),
                    probe(512, 22, RouterSpec.builder()).prepared(Precision.INT8))) {
                float[] weights = probe.weights(logits);
                int[] chosen =
                        IntStream.range(0, 512).filter(e -> weights[e] > 0).toArray();
                // the best of every 64, the second best, and of the third best the first six
                assertThat(chosen)
                        .hasSize(22)
                        .contains(63, 511, 62, 510, 61, 381)
                        .doesNotContain(445, 509);
            }
        }

        @ParameterizedTest
        @EnumSource(Precision.class)
        void theGatesProductIsFloat32WhateverThePrecision(Precision precision) {
            // one number in bfloat16
            RouterProbe trained = new RouterProbe(
                    manager,
                    3,
                    1,
                    RouterSpec.builder().build(),
                    precision.isTrainable() ? precision : Precision.FLOAT32);
            for (int pass = 0; pass < 2; pass++) {
                float[] weights = trained.weights(1, 0.999, 1.001);
                assertThat(weights[2]).isEqualTo(1, within(0.01f));
                assertThat(weights).startsWith(0, 0);
                if (pass == 0) {
                    trained.prepared(precision);
                }
            }
        }

        @Test
        void theCorrectionBiasKeepsItsLastBitInABfloat16Model(@TempDir Path folder) throws IOException {
            EditedCheckpoint edited = EditedCheckpoint.golden("deepseek_v3-a");
            float[] bias = edited.tensor("model.layers.1.mlp.gate.e_score_correction_bias")
                    .values();
            bias[3] = Math.nextUp(12f);
            CausalLm model = Loading.load(manager, edited.write(folder.resolve("before")));
            Path saved = folder.resolve("after");
            CheckpointSaver.of(model).optType(TensorType.BF16).save(saved);
            for (Precision precision : List.of(Precision.BFLOAT16, Precision.INT8)) {
                Parameter loaded = Loading.loadForInference(manager, saved, precision)
                        .parametersByPath()
                        .get("layers.1.mlp.e_score_correction_bias");
                assertThat(loaded.getArray().toFloatArray()).containsExactly(bias);
            }
        }
    }

    @Nested
    class Losses {

        /** Logits whose softmax is 0.1, 0.2, 0.3, 0.4. */
        private final double[] tenths = {Math.log(1), Math.log(2), Math.log(3), Math.log(4)};

        private RouterSpec.Builder withLoss() {
            return RouterSpec.builder().optAuxLossCoef(1);
        }

        @ParameterizedTest
        @ValueSource(ints = {1, 2, 4})
        void balancedIsKAndNotOne(int topK) {
            assertThat(probe(4, topK, withLoss())
                            .train(new double[][] {{0, 0, 0, 0}})
                            .aux())
                    .isEqualTo(topK, within(1e-6f));
        }

        @ParameterizedTest
        @EnumSource(
                value = ScoreFunction.class,
                names = {"SOFTMAX", "SOFTMAX_OVER_CHOSEN"})
        void theLossReadsRawLogitsAndSoftmaxesThemOnce(ScoreFunction function) { // transformers 45120
            assertThat(probe(4, 2, withLoss().optScoreFunction(function))
                            .train(new double[][] {tenths})
                            .aux())
                    .isEqualTo(4 * (0.4f + 0.3f), within(1e-6f));
        }

        @Test
        void paddingCountsNeitherInTheLossNorInTheLoad() { // transformers 28505, torchtitan 4168
            double[] other = {9, 0, 0, 0};
            RouterProbe probe = probe(4, 2, withLoss().optZLossCoef(0.1));
            RouterProbe.Training alone = probe.train(new double[][] {tenths, tenths});
            RouterProbe.Training padded = probe.train(new double[][] {other, tenths, tenths, other}, 0, 1, 1, 0);
            assertThat(padded.aux()).isEqualTo(alone.aux(), within(1e-6f));
            assertThat(padded.load()).containsExactly(0, 0, 2, 2);
        }

        @Test
        void capacityChangesNeitherTheLossNorTheLoad() { // Megatron-LM 1617
            double[][] all = new double[8][];
            Arrays.fill(all, tenths);
            RouterProbe.Training free = probe(4, 1, withLoss()).train(all);
            RouterProbe.Training full =
                    probe(4, 1, withLoss().optCapacityFactor(0.5)).train(all);
            assertThat(full.aux()).isEqualTo(free.aux(), within(1e-6f)).isEqualTo(1.6f, within(1e-6f));
            assertThat(full.load()).containsExactly(0, 0, 0, 8);
        }

        @Test
        void layersArePooledBeforeTheyAreMultiplied() { // transformers 31464
            // layer one sends all 8 tokens to expert 0, layer two to expert 1: balanced together, each by itself as bad
            // as can be
            NDList probabilities = new NDList(manager.create(new float[] {8, 0}), manager.create(new float[] {0, 8}));
            NDList loads = new NDList(manager.create(new long[] {8, 0}), manager.create(new long[] {0, 8}));
            NDArray rows = manager.create(8f);
            assertThat(MoeBlock.pooledBalance(probabilities, loads, rows, 1).getFloat())
                    .isEqualTo(1);
            assertThat(MoeBlock.pooledBalance(probabilities.subNDList(1), loads.subNDList(1), rows, 1)
                            .getFloat())
                    .isEqualTo(2);
        }

        @ParameterizedTest
        @CsvSource({"mixtral-a, true", "mixtral-a, false", "deepseek_v2-a, true", "deepseek_v2-a, false"})
        void theLossReachesEveryRouter(String name, boolean tape) throws IOException { // NeMo Automodel 1408
            CausalLm model = Loading.load(manager, GoldenCase.folder(name));
            NDArray tokens = manager.create(new long[] {1, 2, 3, 4, 5, 6}, new Shape(2, 3));
            try (GradientCollector collector =
                    tape ? new GradientTape() : manager.getEngine().newGradientCollector()) {
                NDList outputs = model.forward(new ParameterStore(manager, false), new NDList(tokens), true);
                collector.backward(outputs.get(1));
            }
            model.parametersByPath().forEach((path, parameter) -> {
                if (path.endsWith("router")) {
                    assertThat(parameter.getArray().getGradient().abs().max().getFloat())
                            .as(path)
                            .isGreaterThan(1e-6f);
                }
            });
        }
    }
}
