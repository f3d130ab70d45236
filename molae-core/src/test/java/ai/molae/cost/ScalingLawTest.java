package ai.molae.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.data.Percentage.withPercentage;

import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tables of arXiv 2502.05172 and values re-computed from it with a separate program. */
class ScalingLawTest {

    @ParameterizedTest
    @CsvSource({
        "1,   2.0732, 30.364,  -.1817,  53.9838, -.1965",
        "2,   3.0556, 27.7982, -.1780,  66.8401, -.2065",
        "4,   5.0005, 24.8462, -.1731,  87.7022, -.2192",
        "8,   8.8124, 21.833,  -.1676, 119.9126, -.2338",
        "16, 16.1386, 19.0159, -.1617, 167.5073, -.2494",
        "32, 29.7042, 16.5424, -.1557, 234.6726, -.2652",
    })
    void theReducedFormIsThatOfThePaper(int experts, double effective, double m, double mu, double n, double nu) {
        ScalingLaw.Reduced law = ScalingLaw.reduced(experts);
        assertThat(ScalingLaw.effectiveExperts(experts)).isCloseTo(effective, within(5e-5));
        assertThat(law.m()).isCloseTo(m, withPercentage(0.3));
        assertThat(law.mu()).isCloseTo(mu, withPercentage(0.3));
        assertThat(law.n()).isCloseTo(n, withPercentage(0.3));
        assertThat(law.nu()).isCloseTo(nu, withPercentage(0.3));
        assertThat(law.c()).isEqualTo(1.3637);
    }

    @ParameterizedTest
    @CsvSource({
        "1.1e9,    8e9, 1, 2.6662",
        "1.1e9,   16e9, 1, 2.5884",
        "5.7e9, 29.3e9, 1, 2.3500",
        "3.8e9, 44.3e9, 8, 2.2936",
        "709e6,   16e9, 2, 2.6261",
        "426e6,   32e9, 4, 2.5973",
    })
    void lossesAreThoseWorkedOutFromThePapersConstants(double active, double tokens, int experts, double loss) {
        assertThat(ScalingLaw.predict(active, tokens, experts).loss()).isCloseTo(loss, within(5e-5));
    }

    @ParameterizedTest
    @CsvSource({
        "1e20,  1,  1.73e9,  9.65e9",
        "1e20,  8,  0.99e9,  16.8e9",
        "1e20, 32, 0.674e9,  24.7e9",
        "1e21,  1,  5.71e9,  29.2e9",
        "1e21,  8,  3.79e9,  44.0e9",
        "1e21, 32,  2.88e9,  57.9e9",
        "1e22,  1,  18.9e9,  88.3e9",
        "1e22,  8,  14.5e9,   115e9",
        "1e22, 32,  12.3e9,   136e9",
    })
    void computeOptimalSizesAreThoseOfTheTable(double flops, int experts, double active, double tokens) {
        Prediction optimum = ScalingLaw.computeOptimal(flops, experts);
        // The table has two or three digits: half a unit of the last is at most 0.6 %.
        assertThat(optimum.activeParameters()).isCloseTo(active, withPercentage(0.6));
        assertThat(optimum.tokens()).isCloseTo(tokens, withPercentage(0.6));
    }

    @ParameterizedTest
    @CsvSource({
        "1e20, 1, 1.7e9, 9.7e9",
        "1e20, 32, 669e6, 24.9e9",
        "1e21, 1, 5.7e9, 29.3e9",
        "1e21, 8, 3.8e9, 44.3e9",
        "1e21, 32, 2.85e9, 58.4e9",
        "1e22, 1, 18.8e9, 88.6e9",
        "1e22, 32, 12.2e9, 136.9e9",
    })
    void computeOptimalSizesAreThoseOfThePapersTable(double flops, int experts, double active, double tokens) {
        Prediction optimum = ScalingLaw.computeOptimal(flops, experts);
        assertThat(optimum.activeParameters()).isCloseTo(active, withPercentage(2));
        assertThat(optimum.tokens()).isCloseTo(tokens, withPercentage(1));
    }

    @Test
    void noOtherSplitOfTheBudgetHasALowerLoss() {
        for (int experts : new int[] {1, 4, 32}) {
            Prediction optimum = ScalingLaw.computeOptimal(1e20, experts);
            assertThat(6 * optimum.activeParameters() * optimum.tokens()).isCloseTo(1e20, withPercentage(1e-9));
            for (double factor : new double[] {0.5, 0.9, 0.99, 1.01, 1.1, 2}) {
                double other = ScalingLaw.predict(
                                optimum.activeParameters() * factor, optimum.tokens() / factor, experts)
                        .loss();
                assertThat(other).isGreaterThan(optimum.loss());
            }
        }
    }

    @Test
    void parametersOfThePapersArchitectureFollowItsFormulas() {
        // d = 1024, L = 16: 2·d·V = 102,926,336; L·d² = 16,777,216
        assertThat(ScalingLaw.activeParameters(1024, 16)).isEqualTo(102_926_336L + 13 * 16_777_216L);
        assertThat(ScalingLaw.totalParameters(1024, 16, 8)).isEqualTo(102_926_336L + 76 * 16_777_216L);
        assertThat(ScalingLaw.totalParametersOf((double) ScalingLaw.activeParameters(1024, 16), 8))
                .isCloseTo((double) ScalingLaw.totalParameters(1024, 16, 8), withPercentage(1e-9));
        assertThat(ScalingLaw.totalParametersOf(1e9, 1)).isEqualTo(1e9);
    }

    @Test
    void learningRateFollowsItsFormula() {
        // exp(8.39 − 0.81·ln 1e9) = e^(8.39 − 16.78577) = 2.257e-4; eight experts divide it by 8^0.25.
        assertThat(ScalingLaw.learningRate(1e9, 1)).isCloseTo(2.2582e-4, withPercentage(0.1));
        assertThat(ScalingLaw.learningRate(1e9, 1) / ScalingLaw.learningRate(1e9, 8))
                .isCloseTo(1.681793, within(1e-6));
    }

    @Test
    void aRunInsideTheLimitsHasNoWarning() {
        Prediction prediction = ScalingLaw.predict(709e6, 16e9, 2);
        assertThat(prediction.warnings()).isEmpty();
        assertThat(prediction.isCovered()).isTrue();
    }

    @Test
    void everyExceededLimitIsNamedWithItsNumbers() {
        TrainingRun run = new TrainingRun(3e9, 20e9, 1e11, 64, 6, 4, true, true, false);
        Prediction prediction = ScalingLaw.predict(run);
        assertThat(prediction.isCovered()).isFalse();
        assertThat(prediction.warnings())
                .satisfiesExactly(
                        w -> assertThat(w).contains("3.00 B active", "2.7 B"),
                        w -> assertThat(w).contains("20.00 B total", "5 B"),
                        w -> assertThat(w).contains("64 experts", "32"),
                        w -> assertThat(w).contains("top-k is 6"),
                        w -> assertThat(w).contains("granularity is 4.00"),
                        w -> assertThat(w).contains("shared experts"),
                        w -> assertThat(w).contains("MoLAE is not covered"),
                        w -> assertThat(w).contains("FineWeb-Edu", "GPT-2"));
    }

    @Test
    void theLimitsThemselvesAreInside() {
        assertThat(new TrainingRun(2.7e9, 5e9, 1e11, 32, 1, 1, false, false, true).warnings())
                .isEmpty();
        assertThat(new TrainingRun(2.7e9, 5e9, 1e11, 33, 1, 1, false, false, true).warnings())
                .hasSize(1);
    }

    @Test
    void totalParametersAreEstimatedFromThePapersArchitectureWhenNotGiven() {
        assertThat(ScalingLaw.predict(1e9, 20e9, 32).warnings())
                .singleElement()
                .asString()
                .contains("B total parameters");
    }

    @Test
    void aModelsRunIsReadFromItsSpec() {
        TrainingRun qwen3 = TrainingRun.of(ModelPresets.QWEN3_30B_A3B, 36e12);
        assertThat(qwen3.experts()).isEqualTo(128);
        assertThat(qwen3.topK()).isEqualTo(8);
        assertThat(qwen3.granularity()).isEqualTo(8); // 3·2048/768
        assertThat(qwen3.latent()).isFalse();
        assertThat(qwen3.totalParameters()).isEqualTo(30_532_122_624.0);
        ModelSpec molae = ModelPresets.OLMOE_1B_7B.mapMoe(moe -> moe.withLatent(
                LatentSpec.builder().setLatentSize(512).setGroupSize(8).build()));
        assertThat(ScalingLaw.predict(TrainingRun.of(molae, 5e12)).warnings())
                .anyMatch(w -> w.contains("MoLAE is not covered"))
                .anyMatch(w -> w.contains("other data"));
        assertThat(TrainingRun.of(molae, 5e12).withSameData(true).warnings()).noneMatch(w -> w.contains("other data"));
    }

    @Test
    void aDenseModelIsOneExpert() {
        ModelSpec dense = ModelSpec.builder()
                .setVocabSize(50_257)
                .setAttention(GroupedQueryAttentionSpec.of(8, 8, 64))
                .addLayers(8, DenseSpec.swiglu(512, 3 * 512))
                .build();
        TrainingRun run = TrainingRun.of(dense, 1e9).withSameData(true);
        assertThat(run.warnings()).isEmpty();
        assertThat(run.experts()).isEqualTo(1);
        // The architecture of the law; only the norms, 17·512, are not in its formula.
        assertThat(run.activeParameters()).isEqualTo(ScalingLaw.activeParameters(512, 8) + 17.0 * 512);
    }

    @Test
    void argumentsOutOfRangeAreNamed() {
        assertThatThrownBy(() -> ScalingLaw.predict(0, 1e9, 1)).hasMessageContaining("activeParameters");
        assertThatThrownBy(() -> ScalingLaw.predict(1e9, Double.NaN, 1)).hasMessageContaining("tokens");
        assertThatThrownBy(() -> ScalingLaw.effectiveExperts(0)).hasMessageContaining("experts");
        assertThatThrownBy(() -> ScalingLaw.computeOptimal(-1, 1)).hasMessageContaining("flops");
    }
}
