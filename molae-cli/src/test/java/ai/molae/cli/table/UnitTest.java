package ai.molae.cli.table;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UnitTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "COUNT  | 46702792704   | 46,702,792,704",
                "COUNT  | 7             | 7",
                "BYTE   | 999           | 999 B",
                "BYTE   | 1000          | 1.000 kB",
                "BYTE   | 999949        | 999.9 kB",
                "BYTE   | 999950        | 1.000 MB",
                "BYTE   | 61064245248   | 61.06 GB",
                "FLOP   | 75497472      | 75.50 MFLOP",
            })
    void readsWholeNumbers(Unit unit, long number, String human) {
        assertThat(unit.human(number)).isEqualTo(human);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "COUNT  | 1.6666666 | 1.67",
                "COUNT  | 3954.7586 | 3,955",
                "SECOND | 0.0644    | 64.40 ms",
                "SECOND | 0.9996    | 999.6 ms",
                "SECOND | 0.99999   | 1.000 s",
                "SECOND | 0.0000021 | 2.100 µs",
                "SECOND | 399.887   | 399.9 s",
                "SECOND | 0         | 0 s",
                "NAT    | 2.0534264 | 2.0534",
            })
    void readsFractions(Unit unit, double number, String human) {
        assertThat(unit.human(number)).isEqualTo(human);
    }
}
