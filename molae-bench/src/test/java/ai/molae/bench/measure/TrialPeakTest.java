package ai.molae.bench.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.NativeMemory;
import org.junit.jupiter.api.Test;

class TrialPeakTest {

    private static final long MIB = 1 << 20;

    @Test
    void thePeakOfTheSetUpIsNotTheTrials() {
        assumeTrue(NativeMemory.inUse().isPresent(), "glibc only");
        try (NDManager manager = NDManager.newBaseManager()) {
            manager.ones(new Shape(1)).close();
            Trial.begin();
            Trial.watch();
            manager.ones(new Shape(64 * MIB)).close();
            Trial.ready();
            try (NDArray small = manager.ones(new Shape(16 * MIB))) {
                Trial.putPeak(Trial.watched());
                assertThat(small.size()).isEqualTo(16 * MIB);
                assertThat(Trial.facts().get(Metric.PEAK_BYTES)).isBetween(60.0 * MIB, 128.0 * MIB);
            }
        }
    }
}
