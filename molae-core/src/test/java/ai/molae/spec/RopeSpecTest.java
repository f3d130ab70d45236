package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Frequencies against numbers computed by hand; mostly θ = 10,000 and d = 8, whose plain frequencies are 1, 0.1, 0.01, 0.001. */
class RopeSpecTest {

    private static final Offset<Double> TINY = within(1e-15);

    private static double[] frequencies(RopeScaling scaling, int dim, int length) {
        return new RopeSpec(10_000, false, scaling).frequencies(dim, length);
    }

    @Test
    void plainFrequenciesArePowersOfTheBase() {
        assertThat(RopeSpec.of(10_000).frequencies(8, 1)).containsExactly(new double[] {1, 0.1, 0.01, 0.001}, TINY);
        assertThat(RopeSpec.of(100).frequencies(4, 1)).containsExactly(new double[] {1, 0.1}, TINY);
        assertThat(RopeSpec.of(10_000).attentionFactor()).isEqualTo(1);
    }

    @Test
    void linearDividesEveryFrequency() {
        assertThat(frequencies(new RopeScaling.Linear(4), 8, 9999))
                .containsExactly(new double[] {0.25, 0.025, 0.0025, 0.00025}, TINY);
    }

    @Test
    void dynamicGrowsTheBaseBeyondTheTrainedLengthOnly() {
        RopeScaling dynamic = new RopeScaling.Dynamic(2, 100);
        assertThat(frequencies(dynamic, 8, 100)).containsExactly(new double[] {1, 0.1, 0.01, 0.001}, TINY);
        // 2 · 300/100 − 1 = 5;  θ' = 10,000 · 5^(8/6), so ω_i = 10^-i · 5^(-i/3)
        assertThat(frequencies(dynamic, 8, 300))
                .containsExactly(new double[] {1, 0.1 / Math.cbrt(5), 0.01 / Math.cbrt(25), 0.0002}, TINY);
        assertThat(frequencies(dynamic, 8, 300)[1]).isCloseTo(0.05848035476425732, TINY);
    }

    @Test
    void yarnKeepsFastColumnsAndInterpolatesSlowOnes() {
        // d = 16: ω_i = 10^(-i/2). Columns that turn 32 times and once in 1024 positions are
        // 16 ln(1024 / 64π) / 2 ln 10,000 = 1.414 and 16 ln(1024 / 2π) / 2 ln 10,000 = 4.424, rounded outwards 1 and 5:
        // interpolated by 0, 0, ¼, ½, ¾, 1, 1, 1; half interpolated is ω (½ + ½ · ¼).
        double[] frequencies = frequencies(new RopeScaling.Yarn(4, 1024, 32, 1, 1, 1, true), 16, 5000);
        double root = Math.sqrt(10);
        assertThat(frequencies)
                .containsExactly(
                        new double[] {
                            1,
                            1 / root,
                            0.1 * (0.75 + 0.25 / 4),
                            0.1 / root * (0.5 + 0.5 / 4),
                            0.01 * (0.25 + 0.75 / 4),
                            0.01 / root / 4,
                            0.001 / 4,
                            0.001 / root / 4
                        },
                        TINY);
        assertThat(frequencies[3]).isCloseTo(0.019764235376052368, TINY);
    }

    @Test
    void yarnWithoutRoundingHasItsRampBetweenTheExactColumns() {
        // (i − 1.41394) / (4.42424 − 1.41394) = 0.19468, 0.52688, 0.85907 for i = 2, 3, 4
        assertThat(frequencies(new RopeScaling.Yarn(4, 1024, 32, 1, 1, 1, false), 16, 1))
                .containsExactly(
                        new double[] {
                            1,
                            0.31622776601683794,
                            0.08539863663460479,
                            0.019126775831483752,
                            0.0035569715211294347,
                            0.0007905694150420948,
                            0.00025,
                            0.00007905694150420948
                        },
                        TINY);
    }

    @Test
    void yarnOfAVeryShortTrainingInterpolatesAllButTheFirstColumn() {
        // Both ends of the ramp fall before column 0; the ramp then is 0.001 columns long.
        double[] frequencies = frequencies(new RopeScaling.Yarn(4, 4, 32, 1, 1, 1, true), 16, 1);
        assertThat(frequencies[0]).isEqualTo(1);
        assertThat(frequencies[1]).isCloseTo(0.07905694150420949, TINY);
        assertThat(frequencies[7]).isCloseTo(0.00007905694150420948, TINY);
    }

    @Test
    void yarnsAttentionFactorIsReportedAndNotInTheFrequencies() {
        RopeScaling one = new RopeScaling.Yarn(4, 1024, 32, 1, 1, 1, true);
        RopeScaling two = new RopeScaling.Yarn(4, 1024, 32, 1, 2, 3, true);
        assertThat(new RopeSpec(10_000, true, two).attentionFactor()).isEqualTo(2);
        assertThat(frequencies(two, 16, 1)).containsExactly(frequencies(one, 16, 1));
    }

    @Test
    void mscaleIsThatOfDeepSeek() {
        // 0.1 ln 40 + 1 (DeepSeek-V3) and 0.0707 ln 40 + 1 (V2-Lite)
        assertThat(RopeScaling.Yarn.mscale(40, 1)).isCloseTo(1.3688879454113936, TINY);
        assertThat(RopeScaling.Yarn.mscale(40, 0.707)).isCloseTo(1.2608037774058554, TINY);
        assertThat(RopeScaling.Yarn.mscale(1, 7)).isEqualTo(1);
        assertThat(RopeScaling.Yarn.attentionFactor(40, 1, 1)).isEqualTo(1);
        assertThat(RopeScaling.Yarn.attentionFactor(40, 1, 0.707))
                .isCloseTo(1.3688879454113936 / 1.2608037774058554, TINY);
        assertThat(RopeScaling.Yarn.attentionFactor(40, 0, 0)).isCloseTo(1.3688879454113936, TINY);
        assertThat(RopeScaling.Yarn.attentionFactor(40, 0.707, 0)).isCloseTo(1.3688879454113936, TINY);
    }

    @Test
    void llama3BlendsTheWavelengthsBetweenItsLimits() {
        // 256 positions are 40.7, 4.07, 0.407 and 0.0407 wavelengths: the first two stay (above 4), the others are
        // divided (below 1)
        assertThat(frequencies(new RopeScaling.Llama3(8, 1, 4, 256), 8, 1))
                .containsExactly(new double[] {1, 0.1, 0.00125, 0.000125}, TINY);
        // 100 positions are 1.59155 wavelengths of column 1: kept by (1.59155 − 1) / 3 = 0.19718
        assertThat(frequencies(new RopeScaling.Llama3(8, 1, 4, 100), 8, 1))
                .containsExactly(new double[] {1, 0.02975352506846948, 0.00125, 0.000125}, TINY);
    }

    @Test
    void interleavingPairsColumnsAndLeavesFrequenciesAlone() {
        RopeScaling linear = new RopeScaling.Linear(2);
        RopeSpec interleaved = new RopeSpec(10_000, true, linear);
        assertThat(interleaved.interleaved()).isTrue();
        assertThat(interleaved.frequencies(8, 1)).containsExactly(frequencies(linear, 8, 1));
        assertThat(RopeSpec.of(5).interleaved()).isFalse();
    }

    @Test
    void everyFieldOutOfRangeIsNamedWithItsValue() {
        rejects(() -> RopeSpec.of(0), "ropeTheta must be finite and positive, got 0.0");
        rejects(() -> RopeSpec.of(Double.POSITIVE_INFINITY), "ropeTheta must be finite and positive, got Infinity");
        rejects(() -> new RopeScaling.Linear(0.5), "factor must be at least 1, got 0.5");
        rejects(() -> new RopeScaling.Linear(Double.NaN), "factor must be at least 1, got NaN");
        rejects(() -> new RopeScaling.Dynamic(2, 0), "originalMaxPositionEmbeddings must be positive, got 0");
        rejects(() -> new RopeScaling.Dynamic(0, 1), "factor must be at least 1, got 0.0");
        rejects(() -> yarn(0.5, 1, 32, 1, 1, 1), "factor must be at least 1, got 0.5");
        rejects(() -> yarn(2, 0, 32, 1, 1, 1), "originalMaxPositionEmbeddings must be positive, got 0");
        rejects(() -> yarn(2, 1, 0, 1, 1, 1), "betaFast must be finite and positive, got 0.0");
        rejects(() -> yarn(2, 1, 1, -1, 1, 1), "betaSlow must be finite and positive, got -1.0");
        rejects(() -> yarn(2, 1, 1, 2, 1, 1), "betaFast = 1.0 must be at least betaSlow = 2.0");
        rejects(() -> yarn(2, 1, 2, 1, 0, 1), "attentionFactor must be finite and positive, got 0.0");
        rejects(() -> yarn(2, 1, 2, 1, 1, 0), "softmaxMscale must be finite and positive, got 0.0");
        rejects(() -> new RopeScaling.Llama3(2, 0, 4, 1), "lowFreqFactor must be finite and positive, got 0.0");
        rejects(() -> new RopeScaling.Llama3(2, 4, 4, 1), "highFreqFactor = 4.0 must be more than lowFreqFactor = 4.0");
        rejects(() -> new RopeScaling.Llama3(2, 1, 4, -1), "originalMaxPositionEmbeddings must be positive, got -1");
    }

    private static RopeScaling yarn(
            double factor, int original, double fast, double slow, double attentionFactor, double softmaxMscale) {
        return new RopeScaling.Yarn(factor, original, fast, slow, attentionFactor, softmaxMscale, true);
    }

    private static void rejects(ThrowingCallable code, String message) {
        assertThatIllegalArgumentException().isThrownBy(code).withMessageContaining(message);
    }

    @Test
    void yarnThatWouldDivideByTheLogarithmOfOneIsRefused() {
        RopeScaling.Yarn yarn = new RopeScaling.Yarn(4, 4096, 32, 1, 1, 1, true);
        assertThatThrownBy(() -> new RopeSpec(1, false, yarn))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("YaRN needs a ropeTheta of more than 1")
                .hasMessageContaining("got 1.0");
        assertThatThrownBy(() -> new RopeScaling.Yarn(4, 4096, 1e308, 1, 1, 1, true))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1.0E308");
        assertThat(new RopeSpec(1, false, new RopeScaling.None()).frequencies(4, 8))
                .containsOnly(1.0);
    }
}
