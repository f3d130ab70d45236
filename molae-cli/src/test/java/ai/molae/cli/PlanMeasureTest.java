package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code molae plan --measure} on layers of at most 100,000 parameters. */
class PlanMeasureTest {

    private static final String SMALL = "plan --measure --scale-parameters 100000 --tokens 16 --precision float32 ";

    @Test
    void aPresetsTimesStandBesideTheirPredictions() {
        JsonObject json = JsonParser.parseString(
                        CommandRun.of((SMALL + "--preset Qwen3-30B-A3B --format json").split(" "))
                                .out())
                .getAsJsonObject();

        assertThat(json.getAsJsonObject("machine")
                        .get("gflop_s_of_large_products")
                        .getAsDouble())
                .isPositive();
        for (String table : new String[] {"prefill", "decoding"}) {
            JsonArray rows = json.getAsJsonArray(table);
            assertThat(rows).hasSize(1);
            JsonObject row = rows.get(0).getAsJsonObject();
            assertThat(row.get("layer").getAsString()).isEqualTo("Qwen3-30B-A3B");
            assertThat(row.get("moe_measured").getAsDouble()
                            / row.get("moe_predicted").getAsDouble())
                    .isEqualTo(row.get("moe_measured_predicted").getAsDouble())
                    .isPositive();
            assertThat(row.get("molae_measured").getAsDouble()).isPositive();
        }
        JsonObject layer = json.getAsJsonArray("layers_scaled").get(0).getAsJsonObject();
        assertThat(layer.get("moe_parameters").getAsLong()).isBetween(1L, 100_000L);
        assertThat(layer.get("k").getAsInt()).isEqualTo(8);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--measure --peak-gflops 100                     | measures the peak itself; leave --peak-gflops away",
                "--measure --bandwidth-gbs 40                    | measures the bandwidth itself",
                "--measure --context 100 --preset Qwen3-30B-A3B  | attend nothing; leave --context away",
                "--scale-parameters 100                          | is the size of what --measure builds; add that",
                "--measure --tokens 0                            | --tokens",
                "--measure --scale-parameters 10                 | no layer of this kind has at most 10 parameters",
            })
    void whatMakesNoSenseIsRefused(String flags, String message) {
        CommandRun run = CommandRun.of(("plan " + flags.strip()).split(" +"));

        assertThat(run.exitCode()).isNotZero();
        assertThat(run.err()).contains(message);
    }
}
