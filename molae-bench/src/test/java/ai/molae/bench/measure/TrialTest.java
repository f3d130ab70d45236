package ai.molae.bench.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.NativeMemory;
import org.junit.jupiter.api.Test;

class TrialTest {

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
                long peak = Trial.watched() - Trial.nativeBaseline();
                assertThat(small.size()).isEqualTo(16 * MIB);
                assertThat(peak).isBetween(60 * MIB, 128 * MIB);
            }
        }
    }

    @Test
    void whatIsLeftOutIsNeitherRetainedNorPeak() {
        assumeTrue(NativeMemory.inUse().isPresent(), "glibc only");
        try (NDManager manager = NDManager.newBaseManager()) {
            manager.ones(new Shape(1)).close();
            Trial.begin();
            try (NDArray inputs = manager.ones(new Shape(16 * MIB));
                    NDArray weights = manager.ones(new Shape(8 * MIB))) {
                Trial.leaveOut(inputs.size() * Float.BYTES);
                Trial.built();
                assertThat(Trial.facts().get(Metric.RETAINED_BYTES))
                        .isBetween(weights.size() * 4.0 - 2 * MIB, weights.size() * 4.0 + 16 * MIB);
            }
        }
    }
}
