package ai.molae.djl.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.chart.RowChart.Series;
import java.util.List;
import org.junit.jupiter.api.Test;

class RowChartTest {

    private static final List<Series> TWO = List.of(new Series("flops", 1), new Series("time", 0));

    /** Names of 5 letters end at 49; the drawing reaches from there to 370. */
    @Test
    void barsAreAsLongAsTheirValues() {
        String figure = new RowChart("Ratio", "times", TWO)
                .add("first", 4, 2)
                .add("b", Double.NaN, 1)
                .even(1)
                .figure();

        assertThat(figure.split("<rect class=c1 ", -1)).hasSize(2);
        assertThat(figure.split("<rect class=c0 ", -1)).hasSize(3);
        assertThat(figure)
                .contains("width=\"321.0\" height=\"11\" rx=1><title>first flops: 4</title>")
                .contains("width=\"160.5\" height=\"11\" rx=1><title>first time: 2</title>")
                .contains("width=\"80.3\" height=\"11\" rx=1><title>b time: 1</title>")
                .contains("<path class=even d=\"M129.3 8V76\"/>")
                .contains("<i class=\"c1 bar\">flops</i><i class=\"c0 bar\">time</i>")
                .contains("<text class=name x=\"43.0\"");
    }

    @Test
    void aBarAloneMayHaveItsOwnColour() {
        String figure = new RowChart("Time", "ms", List.of(new Series("time", 0)))
                .addColoured("dense", 7, 3)
                .figure();

        assertThat(figure).contains("<rect class=c7 ").doesNotContain("<rect class=c0 ", "<i ");
    }

    @Test
    void longNamesStandAboveTheirBars() {
        String figure = new RowChart("Time", "ms", TWO)
                .add("a name that needs more room than a bar", 3, 1)
                .add("b", 1, 1)
                .figure();

        assertThat(figure)
                .contains("<text class=above x=\"10.0\" y=\"24.0\">a name that", "viewBox=\"0 0 420 130\"")
                .contains("x=\"8.0\" y=\"28.5\" width=\"362.0\"")
                .doesNotContain("class=name");
    }

    @Test
    void nothingButUnknownValuesIsEmpty() {
        assertThat(new RowChart("a", "", TWO).add("c", Double.NaN, Double.NaN).isEmpty())
                .isTrue();
        assertThat(new RowChart("a", "", TWO).add("c", 0, Double.NaN).isEmpty()).isFalse();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RowChart("a", "", TWO).add("c", 1))
                .withMessageContaining("[1.0]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Series("a", 9))
                .withMessageContaining("got 9");
    }

    @Test
    void textIsNeverMarkup() {
        assertThat(new RowChart("<b>", "<u>", List.of(new Series("<i>", 0), new Series("x", 1)))
                        .add("<p>", 1, 1)
                        .figure())
                .doesNotContain("<u>", "<i>", "<p>")
                .contains("&lt;b&gt;", "&lt;u&gt;", "&lt;i&gt;", "&lt;p&gt;");
    }
}
