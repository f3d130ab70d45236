package ai.molae.cli.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.google.gson.JsonParser;
import java.util.List;
import org.junit.jupiter.api.Test;

class TableTest {

    private static final Table PARTS = Table.of("Parts, all", "part", "count", "share | whole", "types")
            .row("head", Cell.count(1234), Cell.share(0.25), Cell.text("F32"))
            .row("a | b", Cell.expectedCount(2.5), Cell.none(), Cell.text("BF16"))
            .build();

    private static final Table FACTS = Table.properties("Facts")
            .row("bits per byte", Cell.number(1.23456, 2))
            .row("tied", Cell.yesNo(true))
            .row("lost", Cell.number(Double.NaN, 2))
            .build();

    @Test
    void textAlignsTextsLeftAndNumbersRight() {
        assertThat(TableFormat.TEXT.write(List.of(PARTS, FACTS), List.of("A note.")))
                .isEqualTo(
                        """
                        Parts, all
                          part   count  share | whole  types
                          head   1,234        25.00 %  F32
                          a | b    2.5              -  BF16

                        Facts
                          bits per byte  1.23
                          tied           yes
                          lost           -

                        A note.
                        """);
    }

    @Test
    void markdownEscapesBars() {
        assertThat(TableFormat.MARKDOWN.write(List.of(PARTS), List.of()))
                .isEqualTo(
                        """
                        ## Parts, all

                        | part | count | share \\| whole | types |
                        | --- | ---: | ---: | --- |
                        | head | 1,234 | 25.00 % | F32 |
                        | a \\| b | 2.5 | - | BF16 |
                        """);
    }

    @Test
    void jsonHasKeysInSnakeCaseAndAllDigits() {
        assertThat(JsonParser.parseString(TableFormat.JSON.write(List.of(PARTS, FACTS), List.of("A note."))))
                .isEqualTo(
                        JsonParser.parseString(
                                """
                                {"parts_all": [
                                   {"part": "head", "count": 1234, "share_whole": 0.25, "types": "F32"},
                                   {"part": "a | b", "count": 2.5, "share_whole": null, "types": "BF16"}],
                                 "facts": {"bits_per_byte": 1.23456, "tied": true, "lost": null},
                                 "notes": ["A note."]}"""));
    }

    @Test
    void csvHasALineForEachNumber() {
        assertThat(TableFormat.CSV.write(List.of(PARTS), List.of("A note.")).lines())
                .containsExactly(
                        "table,row,column,value",
                        "\"Parts, all\",head,count,1234",
                        "\"Parts, all\",head,share | whole,0.25",
                        "\"Parts, all\",head,types,F32",
                        "\"Parts, all\",a | b,count,2.5",
                        "\"Parts, all\",a | b,share | whole,",
                        "\"Parts, all\",a | b,types,BF16");
    }

    @Test
    void refusesARowOfTheWrongLength() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Table.of("T", "a", "b").row("x").build())
                .withMessageContaining("columns [a, b]");
    }
}
