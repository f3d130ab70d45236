package ai.molae.djl.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.chart.BlockDiagram.Block;
import java.util.List;
import org.junit.jupiter.api.Test;

class BlockDiagramTest {

    private static final Block EXPERTS = new Block("experts", List.of("5 of them"), 1, List.of(3, 2), true);

    private static int count(String text, String part) {
        return text.split(part, -1).length - 1;
    }

    @Test
    void blocksStandOneBelowTheOtherWithArrowsBetween() {
        String figure = new BlockDiagram("A model")
                .add(new Block("in", List.of(), 7))
                .add("layers 0–3", List.of(new Block("attention", List.of("2 heads"), 4), EXPERTS))
                .add(new Block("out", List.of(), 7))
                .figure();

        assertThat(count(figure, "class=box")).isEqualTo(4);
        assertThat(count(figure, "class=frame")).isEqualTo(1);
        // in, frame, out; and inside the frame
        assertThat(count(figure, "<path class=axis")).isEqualTo(3);
        assertThat(figure.indexOf(">in<")).isLessThan(figure.indexOf(">layers 0–3<"));
        assertThat(figure)
                .contains("<title>A model</title>")
                .contains("<desc>in; layers 0–3: attention (2 heads), then experts (5 of them); out</desc>");
    }

    /** Edge and 5 tiles of colour 1, and a line under each of the 2 groups. */
    @Test
    void partsAreSquaresInGroupsThatMayHaveSomethingInCommon() {
        String figure = new BlockDiagram("A model").add(EXPERTS).figure();

        assertThat(count(figure, "<rect class=c1 ")).isEqualTo(1 + 5);
        assertThat(count(figure, "<rect class=c2 ")).isEqualTo(2);
    }

    @Test
    void aLongGroupGoesOnInTheNextRow() {
        String figure = new BlockDiagram("A model")
                .add(new Block("experts", List.of(), 0, List.of(100), false))
                .figure();

        assertThat(count(figure, "<rect class=c0 ")).isEqualTo(1 + 100);
        assertThat(figure.lines().toList()).noneMatch(line -> line.contains("x=\"460\""));
        // Tiles are told from the edge by their round corners.
        long rows = java.util.regex.Pattern.compile("y=\"(\\d+)\" width=\"8\"")
                .matcher(figure)
                .results()
                .map(match -> match.group(1))
                .distinct()
                .count();
        assertThat(rows).isEqualTo(3);
    }

    @Test
    void linesAreBrokenAtBlanksWhereThereAreAny() {
        assertThat(BlockDiagram.broken("one two three", 8)).containsExactly("one two", "three");
        assertThat(BlockDiagram.broken("abcdefghij", 4)).containsExactly("abcd", "efgh", "ij");
        assertThat(BlockDiagram.broken("", 4)).containsExactly("");
    }

    @Test
    void textIsNeverMarkup() {
        String evil = "<script>";
        String figure = new BlockDiagram(evil)
                .add(evil, List.of(new Block(evil, List.of(evil), 0)))
                .figure();

        assertThat(figure).doesNotContain("<script");
        assertThatIllegalArgumentException().isThrownBy(() -> new Block("a", List.of(), 9));
    }
}
