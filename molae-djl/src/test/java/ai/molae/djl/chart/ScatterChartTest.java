package ai.molae.djl.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.ScatterChart.Form;
import java.util.List;
import org.junit.jupiter.api.Test;

class ScatterChartTest {

    /** Drawn from 52 to 406 with room of 4 % of two decades at either end: 1 at 52 + 0.04/1.08 · 354, 10 in the middle. */
    @Test
    void equalRatiosAreEquallyFarApart() {
        String figure = new ScatterChart("t", "up", "across", true, false)
                .curve("roof", List.of(new Spot(1, 1), new Spot(10, 2), new Spot(100, 3)), Style.LINE, 8)
                .figure();

        assertThat(figure)
                .contains("<path class=\"c8 line\" d=\"M65.1 ")
                .contains("L229.0 ")
                .contains("L392.9 ")
                .contains("<i class=\"c8 line\">roof</i>", "across, logarithmic</text>");
    }

    @Test
    void marksHaveTheFormAndColourOfTheirGroup() {
        String figure = new ScatterChart("t", "up", "across", true, true)
                .marks("a", List.of(new Spot(1, 1, "first"), new Spot(2, 2)), Form.CIRCLE, 0)
                .marks("b", List.of(new Spot(3, 3)), Form.TRIANGLE, 1)
                .figure();

        assertThat(figure.split("class=\"mark c0\"", -1)).hasSize(3);
        assertThat(figure.split("class=\"mark c1\"", -1)).hasSize(2);
        assertThat(figure)
                .contains("<title>first: 1 at 1</title>", "<title>a: 2 at 2</title>")
                .contains("<i class=\"c0 circle\">a</i><i class=\"c1 triangle\">b</i>")
                .contains("role=\"img\" aria-label=\"t\"", "3 marks, 0 curves</desc>");
    }

    @Test
    void whatHasNoLogarithmIsLeftOut() {
        ScatterChart chart = new ScatterChart("t", "up", "across", true, true)
                .marks("a", List.of(new Spot(0, 1), new Spot(1, -1), new Spot(Double.NaN, 1)), Form.CIRCLE, 0)
                .curve("b", List.of(), Style.LINE, 0);

        assertThat(chart.isEmpty()).isTrue();
        assertThat(new ScatterChart("t", "up", "across", false, false)
                        .marks("a", List.of(new Spot(0, 1)), Form.CIRCLE, 0)
                        .isEmpty())
                .isFalse();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> chart.marks("c", List.of(new Spot(1, 1)), Form.CIRCLE, 9))
                .withMessageContaining("got 9");
    }

    @Test
    void textIsNeverMarkup() {
        assertThat(new ScatterChart("<b>", "<u>", "<p>", false, false)
                        .marks("<i>", List.of(new Spot(1, 1, "<s>")), Form.SQUARE, 0)
                        .figure())
                .doesNotContain("<u>", "<i>", "<p>", "<s>")
                .contains("&lt;b&gt;", "&lt;u&gt;", "&lt;i&gt;", "&lt;p&gt;", "&lt;s&gt;");
    }
}
