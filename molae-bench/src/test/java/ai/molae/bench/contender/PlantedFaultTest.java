package ai.molae.bench.contender;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PlantedFaultTest {

    private static final LayerCase LAYER = new LayerCase(Shape.PAPER, Scale.TINY, Variant.MOE, ExpertLoad.BALANCED, 2);

    @AfterEach
    void plantNothing() {
        System.clearProperty("molae.bench.slowdown");
        System.clearProperty("molae.bench.ballast");
    }

    @Test
    void nothingIsPlantedUnasked() {
        try (Contender layer = Implementation.MOLAE.open(LAYER, Precision.FLOAT32)) {
            assertThat(layer).isInstanceOf(MolaeContender.class);
        }
    }

    @Test
    void aFaultyLayerComputesTheSame() {
        float[] expected;
        try (Contender layer = Implementation.MOLAE.open(LAYER, Precision.FLOAT32)) {
            expected = layer.output(1);
        }
        System.setProperty("molae.bench.slowdown", "0.2");
        System.setProperty("molae.bench.ballast", "0.1");
        try (Contender faulty = Implementation.MOLAE.open(LAYER, Precision.FLOAT32)) {
            assertThat(faulty).isInstanceOf(PlantedFault.class);
            faulty.forward(0);
            assertThat(faulty.output(1)).isEqualTo(expected);
        }
    }

    /** A call of a thousand ticks on a clock that goes one tick whenever it is read. */
    @Test
    void aCallWaitsForItsShareOfTheTimeItTook() {
        AtomicLong clock = new AtomicLong();
        Contender layer = new NoLayer(() -> clock.addAndGet(1000));
        try (PlantedFault faulty = new PlantedFault(layer, 0.2, 0, clock::incrementAndGet)) {
            faulty.forward(0);
        }

        // Reads at 1 and, after the call, at 1002; a fifth of the 1001 ticks between them is 200.
        assertThat(clock).hasValue(1002 + 200);
    }

    @Test
    void theBallastIsNativeMemoryUntilItIsClosed() {
        long ballast = 256L << 20;
        new PlantedFault(new NoLayer(() -> {}), 0, 1, System::nanoTime).close(); // loads the engine
        long before = NativeMemory.inUse().orElseThrow();
        PlantedFault faulty = new PlantedFault(new NoLayer(() -> {}), 0, ballast, System::nanoTime);
        long during = NativeMemory.inUse().orElseThrow();
        faulty.close();
        long after = NativeMemory.inUse().orElseThrow();

        assertThat(during - before).isCloseTo(ballast, withinPercentage(10));
        assertThat(during - after).isCloseTo(ballast, withinPercentage(10));
    }

    /** Does something, computes nothing. */
    private record NoLayer(Runnable call) implements Contender {
        @Override
        public void forward(int number) {
            call.run();
        }

        @Override
        public float[] output(int input) {
            return new float[0];
        }

        @Override
        public void close() {}
    }
}
