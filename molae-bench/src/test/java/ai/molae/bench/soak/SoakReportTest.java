package ai.molae.bench.soak;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SoakReportTest {

    private static final int ROUNDS = 40;
    private static final double HEAP = 8 << 20;

    /** Rounds of a minute; the heap takes so many bytes more in each, open files are unknown, the rest stays. */
    private static List<Reading> readings(int rounds, double leak) {
        List<Reading> readings = new ArrayList<>();
        for (int i = 0; i < rounds; i++) {
            Map<Gauge, Double> values = new EnumMap<>(Gauge.class);
            for (Gauge gauge : Gauge.values()) {
                values.put(gauge, gauge == Gauge.FILES ? Double.NaN : HEAP + (gauge == Gauge.HEAP ? leak * i : 0));
            }
            readings.add(new Reading(i + 1, i / 60.0, values));
        }
        return readings;
    }

    @Test
    void whatGrowsIsNamedWithItsBytesPerHourAndPerRound() {
        SoakReport report = new SoakReport(readings(ROUNDS, 20_000), List.of("a fact"));

        assertThat(report.growing()).containsExactly(Gauge.HEAP);
        assertThat(report.markdown())
                .startsWith("- a fact")
                .containsPattern(
                        "\\| Java heap after collection \\|.* 1,200,000 ± .* 20,000 ± .* \\*\\*grows\\*\\* \\|")
                .containsPattern("\\| native memory in use \\| 8.000 MiB \\| 8.000 MiB \\|.* flat \\|");
    }

    @Test
    void whatStaysIsFlatAndHasAChartUnlessItIsUnknown() {
        SoakReport report = new SoakReport(readings(ROUNDS, 0), List.of());

        assertThat(report.growing()).isEmpty();
        assertThat(report.markdown()).doesNotContain("**grows**");
        assertThat(report.html().split("<figure>", -1)).hasSize(Gauge.values().length);
    }

    @Test
    void aShortRunIsNotJudged() {
        SoakReport report = new SoakReport(readings(15, 1e6), List.of());

        assertThat(report.growing()).isEmpty();
        assertThat(report.markdown()).contains("Too short to be judged: 15 rounds, and it takes 16");
    }

    @Test
    void readingsComeBackFromTheirFile(@TempDir Path folder) throws IOException {
        Readings readings = new Readings(folder.resolve("soak.csv"));
        readings.begin();
        Reading first = readings.add(1, 0.25, folder);
        Reading second = readings.add(2, 0.5, folder);

        assertThat(readings.all()).containsExactly(first, second);
        assertThat(first.of(Gauge.HEAP)).isPositive();
        Reading unknown = new Reading(3, 0, Map.of(Gauge.HEAP, 1e15, Gauge.NATIVE, Double.NaN));
        assertThat(Reading.parse(unknown.line()).of(Gauge.HEAP)).isEqualTo(1e15);
        assertThat(Reading.parse(unknown.line()).of(Gauge.NATIVE)).isNaN();
    }
}
