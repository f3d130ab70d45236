package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import org.junit.jupiter.api.Test;

class LearningRateScheduleTest {

    @Test
    void risesLinearlyThenFallsAlongHalfACosine() {
        LearningRateSchedule schedule = LearningRateSchedule.warmupCosine(1, 0.1, 400, 1200);

        assertThat(schedule.at(100)).isEqualTo(0.25);
        assertThat(schedule.at(399)).isEqualTo(399.0 / 400);
        assertThat(schedule.at(400)).isEqualTo(1);
        assertThat(schedule.at(600)).isCloseTo(0.1 + 0.9 * (1 + Math.sqrt(0.5)) / 2, within(1e-15));
        assertThat(schedule.at(800)).isCloseTo(0.55, within(1e-15));
        assertThat(schedule.at(1200)).isEqualTo(0.1);
        assertThat(schedule.at(10_000)).isEqualTo(0.1);
    }

    @Test
    void fallsAlongAStraightLine() {
        LearningRateSchedule schedule = LearningRateSchedule.linear(1, 0.2, 100, 500);

        assertThat(schedule.at(50)).isEqualTo(0.5);
        assertThat(schedule.at(100)).isEqualTo(1);
        assertThat(schedule.at(200)).isCloseTo(0.8, within(1e-15));
        assertThat(schedule.at(500)).isEqualTo(0.2);
        assertThat(schedule.at(501)).isEqualTo(0.2);
    }

    @Test
    void staysAtThePeakThenFallsByASquareRoot() {
        LearningRateSchedule schedule = LearningRateSchedule.warmupStableDecay(2, 1, 100, 300, 400);

        assertThat(schedule.at(1)).isEqualTo(0.02);
        assertThat(schedule.at(100)).isEqualTo(2);
        assertThat(schedule.at(400)).isEqualTo(2);
        assertThat(schedule.at(500)).isCloseTo(1.5, within(1e-15)); // a quarter of the decay
        assertThat(schedule.at(725)).isCloseTo(2 - Math.sqrt(325.0 / 400), within(1e-15));
        assertThat(schedule.at(800)).isEqualTo(1);
    }

    @Test
    void staysConstant() {
        assertThat(LearningRateSchedule.constant(3).at(0)).isEqualTo(3);
        assertThat(LearningRateSchedule.constant(3).at(1L << 50)).isEqualTo(3);
        assertThat(LearningRateSchedule.constant(3, 300).at(100)).isEqualTo(1);
        assertThat(LearningRateSchedule.constant(3, 300).at(301)).isEqualTo(3);
    }

    @Test
    void hasThePeakWhereTheWarmUpIsAllThereIs() {
        assertThat(LearningRateSchedule.warmupCosine(1, 0, 10, 10).at(10)).isEqualTo(1);
        assertThat(LearningRateSchedule.warmupCosine(1, 0, 10, 10).at(11)).isZero();
    }

    @Test
    void equalsAndDescribesByItsNumbers() {
        assertThat(LearningRateSchedule.linear(1, 0, 1, 9)).isEqualTo(LearningRateSchedule.linear(1, 0, 1, 9));
        assertThat(LearningRateSchedule.linear(1, 0, 1, 9))
                .isNotEqualTo(LearningRateSchedule.linear(1, 0, 1, 8))
                .isNotEqualTo(LearningRateSchedule.warmupCosine(1, 0, 1, 9));
        assertThat(LearningRateSchedule.warmupStableDecay(1, 0.5, 2, 3, 4).describe())
                .isEqualTo(Map.of(
                        "type",
                        "WarmupSchedule",
                        "decay",
                        "ONE_MINUS_SQRT",
                        "peak",
                        1.0,
                        "floor",
                        0.5,
                        "warmupTokens",
                        2L,
                        "stableTokens",
                        3L,
                        "decayTokens",
                        4L));
        LearningRateSchedule own = tokens -> 1;
        assertThat(own.describe()).isEqualTo(Map.of("type", "custom"));
    }

    @Test
    void namesTheNumbersItRefuses() {
        assertThatThrownBy(() -> LearningRateSchedule.warmupCosine(1, 2, 0, 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("floor 2.0 and peak 1.0");
        assertThatThrownBy(() -> LearningRateSchedule.linear(1, 0, 11, 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("warmupTokens 11 and totalTokens 10");
        assertThatThrownBy(() -> LearningRateSchedule.warmupStableDecay(1, 0, 1, -2, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-2 at the peak");
        assertThatThrownBy(() -> LearningRateSchedule.constant(Double.NaN))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("NaN");
    }
}
