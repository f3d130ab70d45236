package ai.molae.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MeasurementsTest {

    private static String result(String variant, String raw, String metrics) {
        return "{\"benchmark\": \"ai.molae.bench.layer.LayerForward.forward\", \"params\": {\"variant\": \"" + variant
                + "\", \"implementation\": \"MOLAE\", \"precision\": \"INT8\", \"tokens\": \"512\"}, \"primaryMetric\": {\"scoreUnit\": \"ms/op\", \"rawData\": ["
                + raw + "]}, \"secondaryMetrics\": {" + metrics + "}}";
    }

    private static String metric(String name, double value) {
        return "\"" + name + "\": {\"scoreUnit\": \"B\", \"rawData\": [[" + value + "]]}";
    }

    @Test
    void readsTimesMemoryAndTheRooflineOfAFolder(@TempDir Path folder) throws IOException {
        String metrics = String.join(
                ", ",
                metric("flops", 4e9),
                metric("bytes.read", 1e6),
                metric("ceiling.flops", 1e12),
                metric("ceiling.bandwidth", 1e10),
                metric("bytes.retained", 1e8),
                metric("bytes.peak", 2e8),
                metric("bytes.heap", 3000));
        Files.writeString(folder.resolve("jmh.json"), "[" + result("MOE", "[8.0, 8.2], [7.9, 40.0]", metrics) + "]");

        Measured trial = Measurements.read(folder).get(0);

        assertThat(trial.name())
                .isEqualTo("LayerForward.forward implementation=MOLAE precision=INT8 tokens=512 variant=MOE");
        assertThat(trial.group()).isEqualTo("LayerForward.forward MOE MOLAE INT8");
        assertThat(trial.quantities().get(Quantity.TIME).median()).isEqualTo(8.1, within(1e-9));
        // The floor is 4 ms of arithmetic.
        assertThat(trial.quantities().get(Quantity.TIME_OVER_ROOFLINE).median()).isEqualTo(8.1 / 4, within(1e-9));
        assertThat(trial.quantities().get(Quantity.RETAINED_BYTES).median()).isEqualTo(1e8);
        assertThat(trial.quantities().get(Quantity.PEAK_BYTES).median()).isEqualTo(2e8);
        assertThat(trial.quantities().get(Quantity.HEAP_BYTES).median()).isEqualTo(3000);
        assertThat(trial.quantities().get(Quantity.PRODUCTS).median()).isEqualTo(1e12);
        assertThat(trial.quantities().get(Quantity.READING).median()).isEqualTo(1e10);
    }

    @Test
    void leavesOutWhatWasNotMeasured(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(
                folder.resolve("other.json"), "[" + result("MOE", "", "") + ", " + result("MOLAE", "[5.0]", "") + "]");

        assertThat(Measurements.read(file)).singleElement().satisfies(trial -> assertThat(trial.quantities())
                .containsOnlyKeys(Quantity.TIME));
    }

    @Test
    void refusesAFolderWithoutResults(@TempDir Path folder) {
        assertThatThrownBy(() -> Measurements.read(folder))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("jmh.json");
    }
}
