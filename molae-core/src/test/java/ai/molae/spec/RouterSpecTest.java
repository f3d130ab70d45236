package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

class RouterSpecTest {

    @Test
    void defaultsAreThoseOfQwen3() {
        RouterSpec router = RouterSpec.builder().build();
        assertThat(router)
                .isEqualTo(new RouterSpec(
                        ScoreFunction.SOFTMAX,
                        true,
                        1,
                        false,
                        1,
                        1,
                        GroupScore.MAX,
                        Double.POSITIVE_INFINITY,
                        0,
                        AuxLossScope.LAYER,
                        0));
        assertThat(router.hasCapacity()).isFalse();
    }

    @Test
    void builderSetsEveryFieldAndToBuilderKeepsIt() {
        RouterSpec deepSeekV3 = RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optNormTopkProb(false)
                .optRoutedScalingFactor(2.5)
                .optCorrectionBias(true)
                .optGroupLimit(8, 4, GroupScore.TOP2_SUM)
                .optCapacityFactor(1.25)
                .optAuxLossCoef(0.001)
                .optAuxLossScope(AuxLossScope.SEQUENCE)
                .optZLossCoef(0.01)
                .build();
        assertThat(deepSeekV3)
                .isEqualTo(new RouterSpec(
                        ScoreFunction.SIGMOID,
                        false,
                        2.5,
                        true,
                        8,
                        4,
                        GroupScore.TOP2_SUM,
                        1.25,
                        0.001,
                        AuxLossScope.SEQUENCE,
                        0.01));
        assertThat(deepSeekV3.toBuilder().build()).isEqualTo(deepSeekV3);
        assertThat(deepSeekV3.hasCapacity()).isTrue();
    }

    @Test
    void rejectsEveryFieldThatIsOutOfRangeWithItsValue() {
        rejects(b -> b.optRoutedScalingFactor(0), "routedScalingFactor must be finite and positive, got 0.0");
        rejects(b -> b.optRoutedScalingFactor(Double.NaN), "routedScalingFactor must be finite and positive, got NaN");
        rejects(b -> b.optGroupLimit(0, 1, GroupScore.MAX), "nGroup must be positive, got 0");
        rejects(b -> b.optGroupLimit(4, 5, GroupScore.MAX), "topkGroup must be between 1 and nGroup = 4, got 5");
        rejects(b -> b.optGroupLimit(4, 0, GroupScore.MAX), "topkGroup must be between 1 and nGroup = 4, got 0");
        rejects(b -> b.optCapacityFactor(0), "capacityFactor must be positive (infinity means dropless), got 0.0");
        rejects(
                b -> b.optCapacityFactor(Double.NaN),
                "capacityFactor must be positive (infinity means dropless), got NaN");
        rejects(b -> b.optAuxLossCoef(-1), "auxLossCoef must be finite and at least 0, got -1.0");
        rejects(b -> b.optZLossCoef(Double.POSITIVE_INFINITY), "zLossCoef must be finite and at least 0, got Infinity");
    }

    @Test
    void softmaxOverChosenHasNeitherBiasNorGroups() {
        rejects(
                b -> b.optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN).optCorrectionBias(true),
                "SOFTMAX_OVER_CHOSEN has no bias-corrected form; drop the correction bias or use SIGMOID (DeepSeek-V3)");
        rejects(
                b -> b.optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN).optGroupLimit(2, 1, GroupScore.MAX),
                "SOFTMAX_OVER_CHOSEN has no group-limited form, got nGroup = 2; use SOFTMAX with normTopkProb");
    }

    @Test
    @SuppressWarnings("NullAway") // null is what is tested
    void namesAMissingEnum() {
        assertThatNullPointerException()
                .isThrownBy(() -> RouterSpec.builder().optScoreFunction(null).build())
                .withMessage("scoreFunction");
        assertThatNullPointerException()
                .isThrownBy(() -> RouterSpec.builder().optGroupLimit(1, 1, null).build())
                .withMessage("groupScore");
    }

    private static void rejects(UnaryOperator<RouterSpec.Builder> change, String message) {
        RouterSpec.Builder builder = change.apply(RouterSpec.builder());
        assertThatIllegalArgumentException().isThrownBy(builder::build).withMessage(message);
    }
}
