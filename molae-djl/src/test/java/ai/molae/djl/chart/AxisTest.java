package ai.molae.djl.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AxisTest {

    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "1, 1",
        "1.23456, 1.235",
        "-0.05, -0.05",
        "123.456, 123.5",
        "9999, 9999",
        "12345, 12.35k",
        "1000000, 1M",
        "2.5e9, 2.5G",
        "0.00012345, 1.235e-4",
        "3e-5, 3e-5",
        "1e20, 1e20",
        "NaN, –"
    })
    void numbersAreShort(double value, String text) {
        assertThat(Html.number(value)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 10, false, '0 2 4 6 8 10'",
        "2.31, 2.34, false, '2.31 2.32 2.33 2.34'",
        "0.9, 25, true, '1 2 5 10 20'"
    })
    void ticksAreRound(double low, double high, boolean logarithmic, String ticks) {
        List<String> texts = new Axis(low, high, logarithmic, 0, 100)
                .ticks(5).stream().map(Html::number).toList();
        assertThat(String.join(" ", texts)).isEqualTo(ticks);
    }

    @Test
    void anAxisMapsItsEndsToItsEnds() {
        Axis linear = new Axis(2, 4, false, 100, 0);
        assertThat(linear.at(2)).isEqualTo(100);
        assertThat(linear.at(3)).isEqualTo(50);
        Axis logarithmic = new Axis(0.1, 10, true, 0, 100);
        assertThat(logarithmic.at(1)).isCloseTo(50, within(1e-9));
        assertThat(new Axis(7, 7, false, 0, 100).at(7))
                .as("one value is in the middle")
                .isEqualTo(50);
    }
}
