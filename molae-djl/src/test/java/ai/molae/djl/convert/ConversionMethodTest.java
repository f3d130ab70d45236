package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.convert.calibrate.InnerMoments;
import ai.molae.djl.convert.calibrate.MomentSettings;
import org.junit.jupiter.api.Test;

class ConversionMethodTest {

    @Test
    void tellsWhichMomentsItsCalibrationHasToHold() {
        assertThat(ConversionMethod.dataFree(0.7).moments()).isEqualTo(MomentSettings.LEAST);
        assertThat(ConversionMethod.calibrated(0.7).moments())
                .isEqualTo(new MomentSettings(false, InnerMoments.DIAGONAL));
        assertThat(ConversionMethod.builder()
                        .setRanks(new RankPolicy.Uniform(0.7))
                        .optWeighting(Weighting.ACTIVATIONS)
                        .optAlternatingSweeps(2)
                        .build()
                        .moments())
                .isEqualTo(new MomentSettings(true, InnerMoments.NONE));
    }
}
