package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import org.junit.jupiter.api.Test;

class PeakFlopsTest {

    @Test
    void aProductOfNRowsTakesTwoTimesNTimes2048Squared() {
        assertThat(LargeProducts.flops(256)).isEqualTo(2.0 * 256 * 4_194_304);
    }

    /** A megaflop per second would be a computer of the 1970s, an exaflop one with a building of its own. */
    @Test
    void measuresOncePerPrecisionAndLeavesTheGradientModeAlone() {
        assertThat(Engine.getInstance()).isNotNull();
        JniUtils.setGradMode(true);
        double peak = PeakFlops.measure(Precision.FLOAT32, Device.cpu());
        assertThat(JniUtils.isGradMode()).isTrue();
        JniUtils.setGradMode(false);
        assertThat(peak).isBetween(1e8, 1e18);
        assertThat(PeakFlops.measure(Precision.FLOAT32, Device.cpu()))
                .as("another measurement would differ in the last digits")
                .isEqualTo(peak);
    }

    @Test
    void aPrecisionForInferenceHasNoPeak() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PeakFlops.measure(Precision.INT8, Device.cpu()))
                .withMessageContainingAll("INT8", "FLOAT32");
    }

    @Test
    void everyPrecisionMultiplies() {
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            for (Precision precision : Precision.values()) {
                try (LargeProducts products = new LargeProducts(manager, precision)) {
                    products.run(LargeProducts.ROWS.get(0), 2);
                }
            }
            assertThat(manager.getManagedArrays()).isEmpty();
        }
    }
}
