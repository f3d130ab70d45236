package ai.molae.bench.contender;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.torch.Precision;
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
}
