package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.training.ParameterStore;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** What happens once per process: arrays shared by all calls must not die with the scope of the first. */
class FirstCallTest {

    @Test
    void theFirstCallMayBeInsideAnNDScope() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Dai.djl.offline=true",
                        "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        FirstCallTest.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
    }

    /**
     * The process under test.
     *
     * @param args none
     */
    public static void main(String[] args) {
        // the layer with the fewest parameters has the most stand-ins for absent ones
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(4)
                .setIntermediateSize(2)
                .setNumExperts(3)
                .setTopK(1)
                .build();
        LayerCase layer = LayerCase.draw(spec, 3, new SplittableRandom(1), LayerCase.FLOAT32);
        try (NDManager manager = NDManager.newBaseManager()) {
            MoeBlock block = layer.block(manager, MoeBlock.builder());
            ParameterStore store = new ParameterStore(manager, false);
            for (int i = 0; i < 2; i++) {
                try (NDScope scope = new NDScope()) {
                    block.forward(store, new NDList(layer.x(manager)), true);
                }
            }
        }
    }
}
