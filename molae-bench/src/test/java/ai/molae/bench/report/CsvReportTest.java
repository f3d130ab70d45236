package ai.molae.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.results.Result;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class CsvReportTest {

    @Test
    void aRowHasAllParametersMetricsAndDerivedValuesWithAllDigits() {
        Result first = new Result(
                "a.B.c",
                new TreeMap<>(Map.of("tokens", "2", "note", "x,\"y\"")),
                List.of(List.of(1.0, 2.0), List.of(4.0)),
                "ms/op",
                Map.of("tokens", 2.0, "flops", 123456789012.0, "zebra", 1e-7));
        Result failed = new Result("a.B.d", new TreeMap<>(), List.of(), "ms/op", Map.of());

        String[] lines = CsvReport.of(List.of(first, failed)).split("\r\n", -1);

        assertThat(lines).hasSize(4);
        assertThat(lines[0])
                .startsWith(
                        "benchmark,note,tokens,unit,median,lower quartile,upper quartile,iterations,tokens,flops,zebra,gflops GFLOP/s,");
        assertThat(lines[0]).endsWith(",disturbed");
        assertThat(lines[1]).endsWith(",spread ±37.5 %");
        assertThat(lines[1])
                .startsWith(
                        "a.B.c,\"x,\"\"y\"\"\",2,ms/op,2,1.5,3,3,2,123456789012,0.0000001,61728.394506,61728394506,1,1000,");
        assertThat(lines[2]).startsWith("a.B.d,,,ms/op,,,,0,,,,,");
        assertThat(lines[2].split(",", -1)).hasSameSizeAs(lines[0].split(",", -1));
        assertThat(lines[3]).isEmpty();
    }
}
