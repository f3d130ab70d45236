package ai.molae.djl.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Test;

class HtmlTableTest {

    @Test
    void namesAreTextsAndAllIsEscaped() {
        String html = new HtmlTable(2, List.of("layer", "kind", "n<"))
                .row(List.of("0", "a&b", "<b>"))
                .html();

        assertThat(html)
                .contains("<th>layer</th><th class=text>kind</th><th>n&lt;</th>")
                .contains("<td>0</td><td class=text>a&amp;b</td><td>&lt;b&gt;</td>");
    }

    @Test
    void refusesRowsOfAnotherLength() {
        HtmlTable table = new HtmlTable(1, List.of("a", "b"));

        assertThatIllegalArgumentException().isThrownBy(() -> table.row(List.of("1")));
        assertThatIllegalArgumentException().isThrownBy(() -> new HtmlTable(3, List.of("a", "b")));
    }
}
