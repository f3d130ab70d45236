package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class LearningRateScheduleTest {

    @Test
    void risesLinearlyThenFallsAlongHalfACosine() {
        LearningRateSchedule schedule = LearningRateSchedule.warmupCosine(1, 0.1, 4, 12);

        assertThat(schedule.at(0)).isEqualTo(0.25);
        assertThat(schedule.at(3)).isEqualTo(1);
        assertThat(schedule.at(4)).isEqualTo(1);
        assertThat(schedule.at(6)).isCloseTo(0.1 + 0.9 * (1 + Math.sqrt(0.5)) / 2, within(1e-15));
        assertThat(schedule.at(8)).isCloseTo(0.55, within(1e-15));
        assertThat(schedule.at(12)).isCloseTo(0.1, within(1e-15));
        assertThat(schedule.at(100)).isCloseTo(0.1, within(1e-15));
    }

    @Test
    void beginsAtThePeakWithoutWarmUp() {
        assertThat(LearningRateSchedule.warmupCosine(1, 0, 0, 10).at(0)).isEqualTo(1);
    }

    @Test
    void namesTheNumbersItRefuses() {
        assertThatThrownBy(() -> LearningRateSchedule.warmupCosine(1, 2, 0, 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("floor 2.0 and peak 1.0");
        assertThatThrownBy(() -> LearningRateSchedule.warmupCosine(1, 0, 11, 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("warmup 11 and steps 10");
    }
}
