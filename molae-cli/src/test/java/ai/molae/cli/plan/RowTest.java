package ai.molae.cli.plan;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.cli.table.Unit;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RowTest {

    @Test
    void dividesMolaeByMoe() {
        assertThat(row(Optional.of(8L), 6L).ratio()).contains(0.75);
    }

    @Test
    void hasNoRatioWithoutAMoeNumber() {
        assertThat(row(Optional.empty(), 6L).ratio()).isEmpty();
        assertThat(row(Optional.of(0L), 6L).ratio()).isEmpty();
    }

    /** 8 groups' expectations add up to 8 only up to rounding. */
    @Test
    void takesWholeNumbersThroughRoundingErrors() {
        assertThat(Row.exact(8.000000000000002)).isEqualTo(8L);
        assertThat(Row.exact(3e10)).isEqualTo(30_000_000_000L);
        assertThat(Row.exact(8.0001)).isEqualTo(8.0001);
    }

    private static Row row(Optional<Number> moe, Number molae) {
        return new Row("layers", "Parameters", "total", Unit.COUNT, moe, molae);
    }
}
