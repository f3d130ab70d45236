package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.Roofline;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Only that there are ceilings; how high they are is the machine's. */
class MachineCeilingsTest {

    /** A Roofline refuses what is not finite and positive. */
    @ParameterizedTest
    @EnumSource(Precision.class)
    void everyPrecisionHasCeilingsThatAMachineCanHave(Precision precision) {
        try (NDManager manager = NDManager.newBaseManager();
                MachineCeilings ceilings = new MachineCeilings(manager, precision)) {
            Roofline measured = ceilings.measure();

            assertThat(measured.peakFlopsPerSecond()).isBetween(1e8, 1e16);
            assertThat(measured.bytesPerSecond()).isBetween(1e8, 1e14);
        }
    }

    @Test
    void whatTheyHoldIsFreed() {
        try (NDManager manager = NDManager.newBaseManager()) {
            new MachineCeilings(manager, Precision.FLOAT32).close();
            long before = NativeMemory.inUse().orElse(0);
            MachineCeilings ceilings = new MachineCeilings(manager, Precision.FLOAT32);
            long holding = NativeMemory.inUse().orElse(300_000_000);
            ceilings.close();

            assertThat(holding - before).isGreaterThan(250_000_000);
            assertThat(NativeMemory.inUse().orElse(0) - before).isLessThan(20_000_000);
        }
    }
}
