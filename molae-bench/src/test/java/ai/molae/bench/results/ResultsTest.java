package ai.molae.bench.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.molae.bench.measure.Metric;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ResultsTest {

    private static final String JSON =
            """
            [{"benchmark": "ai.molae.bench.layer.LayerForward.forward", "mode": "avgt", "params": {"tokens": "4"},
              "primaryMetric": {"score": 9, "scoreUnit": "us/op", "rawData": [[1000, 3000], [2000, 8000]]},
              "secondaryMetrics": {"tokens": {"score": 4, "scoreUnit": "#", "rawData": [[4, 4], [4, 4]]},
                                   "error": {"score": "NaN", "scoreUnit": "#", "rawData": [["NaN"]]}}},
             {"benchmark": "ai.molae.bench.layer.LayerForward.forward",
              "primaryMetric": {"score": "NaN", "scoreUnit": "ops/s", "rawData": []}}]
            """;

    @Test
    void valuesOfAllForksAreReadInMilliseconds() throws IOException {
        Result result = Results.parse(JSON, "test").get(0);

        assertThat(result.name()).isEqualTo("LayerForward.forward");
        assertThat(result.benchmarkClass()).isEqualTo("LayerForward");
        assertThat(result.param("tokens")).isEqualTo("4");
        assertThat(result.param("shape")).isEmpty();
        assertThat(result.forks()).containsExactly(List.of(1.0, 3.0), List.of(2.0, 8.0));
        // sorted 1, 2, 3, 8: a quarter of the way is at place 0.75, half at 1.5, three quarters at 2.25
        assertThat(result.quartiles()).isEqualTo(new Quartiles(1.75, 2.5, 4.25));
        assertThat(result.milliseconds()).isEqualTo(2.5);
        assertThat(result.metric(Metric.TOKENS)).isEqualTo(4);
        assertThat(result.metric(Metric.ERROR)).isNaN();
        assertThat(result.metric(Metric.FLOPS)).isNaN();
        assertThat(result.failed()).isFalse();
    }

    @Test
    void aResultWithoutValuesFailed() throws IOException {
        Result result = Results.parse(JSON, "test").get(1);

        assertThat(result.failed()).isTrue();
        assertThat(result.params()).isEmpty();
        assertThat(result.unit()).isEqualTo("ops/s");
        assertThat(result.milliseconds()).isNaN();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{\"a\": 1}; run.json should have an array of results at $, found {\"a\":1}",
                "[{\"benchmark\": 3}]; run.json should have a text at $[0].benchmark, found 3",
                "[{\"benchmark\": \"b\"}]; run.json has no \"primaryMetric\" at $[0]",
                "[{\"benchmark\": \"b\", \"primaryMetric\": {\"scoreUnit\": \"s/op\", \"rawData\": [[1], [true]]}}]; a number at $[0].primaryMetric.rawData[1][0], found true",
                "[{\"benchmark\": \"b\"; run.json is not JSON as JMH writes it",
                "[] []; run.json is not JSON as JMH writes it"
            })
    void whatIsBrokenIsNamedWithItsPlace(String json, String message) {
        assertThatIOException()
                .isThrownBy(() -> Results.parse(json, "run.json"))
                .withMessageContaining(message);
    }

    /** 12 GFLOPs in 100 ms with 600 MB; 400 GFLOP/s need 30 ms, 10 GB/s need 60 ms. */
    @Test
    void derivedQuantitiesFollowFromTimeAndMetrics() {
        Result result = new Result(
                "a.B.c",
                new TreeMap<>(),
                List.of(List.of(100.0)),
                Result.MILLISECONDS,
                Map.ofEntries(
                        Map.entry("tokens", 4.0),
                        Map.entry("flops", 12e9),
                        Map.entry("flops.counted", 13.2e9),
                        Map.entry("bytes.read", 600e6),
                        Map.entry("bytes.weights", 500e6),
                        Map.entry("bytes.retained", 550e6),
                        Map.entry("ceiling.flops", 400e9),
                        Map.entry("ceiling.bandwidth", 10e9)));

        assertThat(Derived.GFLOPS.of(result)).isCloseTo(120, within(1e-9));
        assertThat(Derived.FLOPS_PER_TOKEN.of(result)).isEqualTo(3e9);
        assertThat(Derived.TOKEN_MILLISECONDS.of(result)).isEqualTo(25);
        assertThat(Derived.TOKENS_PER_SECOND.of(result)).isCloseTo(40, within(1e-9));
        assertThat(Derived.INTENSITY.of(result)).isEqualTo(20);
        assertThat(Derived.FLOOR_MILLISECONDS.of(result)).isCloseTo(60, within(1e-9));
        assertThat(Derived.ROOFLINE_SHARE.of(result)).isCloseTo(0.6, within(1e-12));
        assertThat(Derived.MEMORY_RATIO.of(result)).isCloseTo(1.1, within(1e-12));
        assertThat(Derived.FLOPS_RATIO.of(result)).isCloseTo(1.1, within(1e-12));
        assertThat(Derived.READ_BYTES_PER_TOKEN.of(result)).isEqualTo(150e6);
        assertThat(Derived.PEAK_RATIO.of(result)).as("not measured").isNaN();
    }

    @Test
    void aQuantileIsInterpolatedBetweenNeighbours() {
        double[] numbers = {4, 1, 3, 2};

        assertThat(Quartiles.quantile(0, numbers)).isEqualTo(1);
        assertThat(Quartiles.quantile(0.25, numbers)).isEqualTo(1.75);
        assertThat(Quartiles.quantile(0.9, numbers)).isEqualTo(3.7, within(1e-12));
        assertThat(Quartiles.quantile(1, numbers)).isEqualTo(4);
        assertThat(numbers).as("untouched").containsExactly(4, 1, 3, 2);
        assertThat(Quartiles.quantile(0.5)).isNaN();
        assertThatThrownBy(() -> Quartiles.quantile(50, numbers))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0 to 1, got 50");
    }
}
