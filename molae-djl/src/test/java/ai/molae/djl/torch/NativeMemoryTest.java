package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class NativeMemoryTest {

    private static final long MB = 1 << 20;
    private static final Shape MB_64 = new Shape(16, MB);
    /** What the JVM and other threads may allocate meanwhile. */
    private static final long NOISE = 16 * MB;

    @BeforeEach
    void needsGlibc() {
        assumeTrue(NativeMemory.inUse().isPresent(), "no mallinfo2 here");
    }

    @Test
    void showsWhatATensorTakesAndGivesBack() {
        try (NDManager manager = NDManager.newBaseManager()) {
            manager.zeros(new Shape(1)).close();
            long before = NativeMemory.inUse().orElseThrow();
            NDArray array = manager.zeros(MB_64);
            long during = NativeMemory.inUse().orElseThrow();
            array.close();
            long after = NativeMemory.inUse().orElseThrow();
            assertThat(during - before).isBetween(64 * MB - NOISE, 64 * MB + NOISE);
            assertThat(after - before).isBetween(-NOISE, NOISE);
        }
    }

    @Test
    void peakSeesATemporary() {
        try (NDManager manager = NDManager.newBaseManager();
                NativeMemory.Peak peak = NativeMemory.watchPeak()) {
            try (NDArray temporary = manager.zeros(MB_64)) {
                // long enough for the sampler: it looks every two milliseconds
                for (int i = 0; i < 20; i++) {
                    temporary.addi(1);
                }
            }
            long start = peak.startBytes().orElseThrow();
            assertThat(peak.bytes().orElseThrow() - start).isBetween(64 * MB - NOISE, 64 * MB + NOISE);
            assertThat(NativeMemory.inUse().orElseThrow() - start).isLessThan(NOISE);
        }
    }

    @Test
    void keptMemoryCountsAsFreed() {
        NativeMemory.keepFreed();
        NativeMemory.keepFreed();
        try (NDManager manager = NDManager.newBaseManager()) {
            manager.zeros(new Shape(1)).close();
            for (int i = 0; i < 3; i++) {
                long before = NativeMemory.inUse().orElseThrow();
                NDArray array = manager.zeros(MB_64);
                assertThat(NativeMemory.inUse().orElseThrow() - before).isBetween(64 * MB - NOISE, 64 * MB + NOISE);
                array.close();
                assertThat(NativeMemory.inUse().orElseThrow() - before).isBetween(-NOISE, NOISE);
            }
        }
    }

    @Test
    void trimLeavesWhatIsInUse() {
        NativeMemory.keepFreed();
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray kept = manager.full(new Shape(MB), 3f);
            manager.zeros(MB_64).close();
            long before = NativeMemory.inUse().orElseThrow();
            NativeMemory.trim();
            assertThat(NativeMemory.inUse().orElseThrow() - before).isBetween(-NOISE, NOISE);
            assertThat(kept.sum().getFloat()).isEqualTo(3f * MB);
            assertThat(manager.ones(MB_64).sum().getFloat()).isEqualTo(16f * MB);
        }
    }
}
