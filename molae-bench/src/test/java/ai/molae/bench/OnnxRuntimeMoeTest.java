package ai.molae.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The peer computes the same layer, or a comparison of speed would mean nothing. */
class OnnxRuntimeMoeTest {

    @ParameterizedTest
    @CsvSource({"1, true", "3, false", "17, true", "90, false"})
    void computesTheSameLayer(int tokens, boolean normTopkProb) throws Exception {
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(64)
                .setIntermediateSize(48)
                .setNumExperts(8)
                .setTopK(2)
                .optRouter(RouterSpec.builder().optNormTopkProb(normTopkProb).build())
                .build();
        try (NDManager manager = NDManager.newBaseManager()) {
            MoeBlock block = Layers.initialize(manager, MoeBlock.builder().optInitializerRange(0.3), spec);
            NDArray x = Layers.inputs(manager, 1, tokens, 64)[0];
            float[] expected = block.forward(new ParameterStore(manager, false), new NDList(x), false)
                    .singletonOrThrow()
                    .toFloatArray();
            try (OnnxRuntimeMoe ort = OnnxRuntimeMoe.of(block, 1);
                    OnnxRuntimeMoe.Batch batch =
                            ort.batch(x, Layers.parameters(block).get("router"))) {
                batch.run();
                float[] actual = batch.output();
                float largest = 0;
                for (float value : expected) {
                    largest = Math.max(largest, Math.abs(value));
                }
                assertThat(largest).isGreaterThan(0.1f);
                assertThat(actual).containsExactly(expected, within(1e-5f * largest));
            }
        }
    }
}
