package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.GradientTape;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class DropoutTest {

    private static final long[] TOKENS = {1, 5, 9, 3, 0, 7, 7, 2};

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final CausalLm model = model();

    private CausalLm model() {
        Engine.getEngine("PyTorch").setRandomSeed(4);
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(16)
                .setIntermediateSize(8)
                .setNumExperts(4)
                .setTopK(2)
                .build();
        CausalLm lm = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(10)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(3, moe)
                        .optMaxPositionEmbeddings(8)
                        .build())
                .build();
        lm.initialize(manager, DataType.FLOAT32, new Shape(1, 4));
        return lm;
    }

    @AfterEach
    void close() {
        manager.close();
    }

    /** The loss of a training pass and the gradients it adds. */
    private Map<String, float[]> pass() {
        Map<String, float[]> result = new LinkedHashMap<>();
        try (NDManager scope = manager.newSubManager();
                GradientTape tape = new GradientTape()) {
            NDArray tokens = scope.create(TOKENS, new Shape(2, 4));
            NDList outputs = model.forward(new ParameterStore(scope, false), new NDList(tokens), true);
            NDArray loss = CausalLmLoss.crossEntropy(outputs.head(), tokens);
            result.put("loss", new float[] {loss.getFloat()});
            tape.backward(loss);
        }
        model.parametersByPath().forEach((path, parameter) -> {
            try (NDArray gradient = parameter.getArray().getGradient()) {
                result.put(path, gradient.toFloatArray());
                gradient.subi(gradient.duplicate());
            }
        });
        return result;
    }

    private static void assertSame(Map<String, float[]> actual, Map<String, float[]> expected) {
        expected.forEach((name, values) -> assertThat(actual.get(name)).as(name).isEqualTo(values));
    }

    @Test
    void isOffUnlessSet() {
        Map<String, float[]> first = pass();
        model.setDropoutSeed(7);

        assertSame(pass(), first);
    }

    @Test
    void followsFromTheSeedAloneAndNotFromWhatWasDrawnBefore() {
        model.setDropout(0.3);
        model.setDropoutSeed(7);
        Map<String, float[]> first = pass();
        manager.randomNormal(new Shape(100)).close();

        assertSame(pass(), first);
        model.setDropoutSeed(8);
        assertThat(pass().get("loss")).isNotEqualTo(first.get("loss"));
    }

    @Test
    void recomputedSegmentsHaveTheSameMasks() {
        model.setDropout(0.3);
        model.setDropoutSeed(7);
        Map<String, float[]> kept = pass();
        for (int layers = 1; layers <= 2; layers++) {
            model.setRecompute(layers);
            assertSame(pass(), kept);
        }
    }

    @Test
    void zeroesTheShareAndKeepsTheMean() {
        try (NDArray x = manager.ones(new Shape(100, 1000));
                NDArray y = new Dropout(0.3, 1).ofLayer(2).apply(x, 0);
                NDArray other = new Dropout(0.3, 1).ofLayer(2).apply(x, 1)) {
            double zeros = y.eq(0).toType(DataType.FLOAT32, false).mean().getFloat();
            assertThat(zeros).isCloseTo(0.3, within(0.01));
            assertThat((double) y.mean().getFloat()).isCloseTo(1, within(0.02));
            assertThat(y.max().getFloat()).isEqualTo(1 / 0.7f);
            assertThat(other).isNotEqualTo(y);
        }
    }

    @Test
    void inferenceHasNone() {
        NDArray tokens = manager.create(TOKENS, new Shape(2, 4));
        float[] before = model.forward(new ParameterStore(manager, false), new NDList(tokens), false)
                .head()
                .toFloatArray();
        model.setDropout(0.5);

        assertThat(model.forward(new ParameterStore(manager, false), new NDList(tokens), false)
                        .head()
                        .toFloatArray())
                .isEqualTo(before);
    }

    @Test
    void refusesWhatIsNoProbability() {
        for (double p : new double[] {-0.1, 1, Double.NaN}) {
            assertThatThrownBy(() -> model.setDropout(p))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("got " + p);
        }
    }
}
