package ai.molae.djl.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Test;

class BarChartTest {

    private static int count(String text, String part) {
        return text.split(part, -1).length - 1;
    }

    /** The drawing reaches from 20 to 216. */
    @Test
    void barsAreAsHighAsTheirValues() {
        String figure = new BarChart("Size", "numbers", List.of("before", "after"))
                .add("0", 10, 5)
                .add("1", Double.NaN, 2.5)
                .figure();

        assertThat(count(figure, "<rect class=c0 ")).isEqualTo(1);
        assertThat(count(figure, "<rect class=c1 ")).isEqualTo(2);
        assertThat(figure)
                .contains("y=\"20.0\"", "height=\"196.0\"><title>0 before: 10</title>")
                .contains("height=\"98.0\"><title>0 after: 5</title>", "height=\"49.0\"><title>1 after: 2.5</title>")
                .contains("<i class=c0>before</i>", "<i class=c1>after</i>");
    }

    @Test
    void manyPlacesHaveNamesBelowSomeOfThem() {
        BarChart chart = new BarChart("Size", "", List.of("all"));
        for (int i = 0; i < 60; i++) {
            chart.add("n" + i, 1);
        }
        String figure = chart.figure();

        assertThat(count(figure, "<rect")).isEqualTo(60);
        assertThat(figure).contains(">n0</text>", ">n5</text>", ">n55</text>").doesNotContain(">n1</text>", "<i ");
    }

    @Test
    void nothingButUnknownValuesIsEmpty() {
        assertThat(new BarChart("a", "", List.of("b")).add("c", Double.NaN).isEmpty())
                .isTrue();
        assertThat(new BarChart("a", "", List.of("b")).add("c", 0).isEmpty()).isFalse();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BarChart("a", "", List.of("b")).add("c", 1, 2))
                .withMessageContaining("[1.0, 2.0]");
    }

    @Test
    void textIsNeverMarkup() {
        assertThat(new BarChart("<b>", "<u>", List.of("<i>", "x"))
                        .add("<p>", 1, 1)
                        .figure())
                .doesNotContain("<u>", "<i>", "<p>")
                .contains("&lt;b&gt;", "&lt;u&gt;", "&lt;i&gt;", "&lt;p&gt;");
    }
}
