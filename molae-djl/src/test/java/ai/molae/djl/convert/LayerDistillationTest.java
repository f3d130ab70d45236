package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.SharedExpertSpec;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LayerDistillationTest {

    private static final int HIDDEN = 16;

    private static final MoeSpec STANDARD = MoeSpec.builder()
            .setHiddenSize(HIDDEN)
            .setIntermediateSize(12)
            .setNumExperts(6)
            .setTopK(2)
            .optSharedExpert(new SharedExpertSpec(8, true))
            .build();

    private static final MoeSpec FACTORED = STANDARD.withLatent(
            LatentSpec.builder().setLatentSize(8).setGroupSize(3).build());

    private static final LayerDistillation BRIEF = new LayerDistillation(new DistillationSpec(60, 64, 0.03), 1);

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @BeforeEach
    void seed() {
        Engine.getEngine("PyTorch").setRandomSeed(5);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "BFLOAT16"})
    void factorsThatWereDisturbedFindTheirWayBack(Precision precision) {
        MoeBlock factored = block(FACTORED, precision);
        MoeBlock original = multipliedOut(factored);
        disturb(factored, 0.2);
        LayerInputs inputs = inputs(12, 48);

        LayerDistillation.Result result = BRIEF.train(original, factored, inputs);

        assertThat(result.errorBefore()).isGreaterThan(0.2);
        assertThat(result.errorAfter()).isLessThan(0.6 * result.errorBefore());
        assertThat(LayerDistillation.outputError(original, factored, inputs))
                .as("of the layer as it is left")
                .isCloseTo(result.errorAfter(), within(0.3 * result.errorAfter()));
        assertThat(result.steps()).isEqualTo(60);
        assertThat(result.bestStep()).isBetween(1, 60);
    }

    @Test
    void theErrorIsThatOfTheRoutedExpertsAlone() {
        MoeBlock factored = block(FACTORED, Precision.FLOAT32);
        MoeBlock original = multipliedOut(factored);
        disturb(factored, 0.2);
        LayerInputs inputs = inputs(1, 30);
        double difference = 0;
        double size = 0;
        try (NoGrad noGrad = new NoGrad()) {
            NDArray x = inputs.reader().read(manager, 0);
            NDArray y = forward(original, x);
            difference = forward(factored, x).sub(y).square().sum().getFloat();
            // Without down the routed experts give nothing.
            NDArray down = array(original, "down");
            NDArray zero = down.zerosLike();
            WeightSource.assign(zero, down, 0);
            size = y.sub(forward(original, x)).square().sum().getFloat();
        }
        double expected = Math.sqrt(difference / size);

        seed();
        MoeBlock again = block(FACTORED, Precision.FLOAT32);
        MoeBlock originalAgain = multipliedOut(again);
        disturb(again, 0.2);
        assertThat(LayerDistillation.outputError(originalAgain, again, inputs))
                .isCloseTo(expected, within(1e-4 * expected));
    }

    @Test
    void onlyFactorsChange() {
        MoeSpec upOnly = STANDARD.withLatent(LatentSpec.builder()
                .setLatentSize(8)
                .setGroupSize(3)
                .optFactored(ExpertOperator.UP)
                .build());
        MoeBlock factored = block(upOnly, Precision.FLOAT32);
        MoeBlock original = multipliedOut(factored);
        Set<String> factors = Set.of("latent_in", "up");
        factors.forEach(name -> disturb(array(factored, name), 0.3));
        factored.getDirectParameters().get("router").freeze(true);
        Map<String, float[]> before = values(factored);
        Map<String, float[]> originalBefore = values(original);

        BRIEF.train(original, factored, inputs(6, 40));

        values(factored).forEach((name, after) -> {
            if (factors.contains(name)) {
                assertThat(after).as(name).isNotEqualTo(before.get(name));
            } else {
                assertThat(after).as(name).isEqualTo(before.get(name));
            }
        });
        values(original).forEach((name, after) -> assertThat(after).as(name).isEqualTo(originalBefore.get(name)));
        factored.getDirectParameters().forEach(entry -> {
            boolean trains = !entry.getKey().equals("router");
            assertThat(entry.getValue().requiresGradient()).as(entry.getKey()).isEqualTo(trains);
            assertThat(entry.getValue().getArray().hasGradient())
                    .as(entry.getKey())
                    .isEqualTo(trains);
        });
    }

    @Test
    void aRateThatDoesHarmLeavesTheLayerAsItWas() {
        MoeBlock factored = block(FACTORED, Precision.FLOAT32);
        MoeBlock original = multipliedOut(factored);
        disturb(factored, 0.01);
        Map<String, float[]> before = values(factored);

        LayerDistillation.Result result =
                new LayerDistillation(new DistillationSpec(20, 32, 5), 1).train(original, factored, inputs(4, 40));

        assertThat(result.errorAfter()).isEqualTo(result.errorBefore());
        assertThat(result.bestStep()).isZero();
        values(factored).forEach((name, after) -> assertThat(after).as(name).isEqualTo(before.get(name)));
    }

    @Test
    void aSeedDecidesEverything() {
        Map<String, float[]> one = trained(1);

        trained(1).forEach((name, values) -> assertThat(values).as(name).isEqualTo(one.get(name)));
        assertThat(trained(2).get("down")).isNotEqualTo(one.get("down"));
    }

    private Map<String, float[]> trained(long seed) {
        seed();
        MoeBlock factored = block(FACTORED, Precision.FLOAT32);
        MoeBlock original = multipliedOut(factored);
        disturb(factored, 0.2);
        new LayerDistillation(new DistillationSpec(10, 50, 0.02), seed).train(original, factored, inputs(5, 40));
        return values(factored);
    }

    @Test
    void layersOfOtherSizesAreRefusedWithThem() {
        MoeBlock original = block(STANDARD, Precision.FLOAT32);
        MoeSpec narrower = FACTORED.toBuilder().setIntermediateSize(10).build();

        assertThatThrownBy(() -> BRIEF.train(original, block(narrower, Precision.FLOAT32), inputs(4, 8)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("layer 3")
                .hasMessageContaining("width 12")
                .hasMessageContaining("width 10");
        assertThatThrownBy(() -> BRIEF.train(original, original, inputs(4, 8)))
                .hasMessageContaining("layer 3 has no factors");
        assertThatThrownBy(() -> BRIEF.train(original, block(FACTORED, Precision.FLOAT32), inputs(1, 8)))
                .hasMessageContaining("at least 2 chunks")
                .hasMessageContaining("got 1");
    }

    @Test
    void whatIsNotFiniteIsSaidToBeSo() {
        MoeBlock factored = block(FACTORED, Precision.FLOAT32);
        MoeBlock original = multipliedOut(factored);
        LayerInputs inputs = inputs(4, 8);
        LayerInputs broken = new LayerInputs("layer 3", 4, HIDDEN, (owner, i) -> {
            NDArray x = inputs.reader().read(owner, i);
            if (i == 2) {
                x.set(new NDIndex("1, 1"), Float.NaN);
            }
            return x;
        });

        assertThatThrownBy(() -> BRIEF.train(original, factored, broken))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("chunk 2 of the inputs of layer 3");

        array(original, "down").muli(Float.POSITIVE_INFINITY);
        assertThatThrownBy(() -> BRIEF.train(original, factored, inputs))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("the original layer 3")
                .hasMessageContaining("not finite");
    }

    private MoeBlock block(MoeSpec spec, Precision precision) {
        MoeBlock block = MoeBlock.builder()
                .setSpec(spec)
                .optPrecision(precision)
                .optInitializerRange(0.3)
                .build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, HIDDEN));
        return block;
    }

    /** The standard layer that a factored one stands for. */
    private MoeBlock multipliedOut(MoeBlock factored) {
        MoeBlock original = block(STANDARD, Precision.FLOAT32);
        for (String name : new String[] {"router", "shared_gate_up", "shared_down", "shared_gate"}) {
            WeightSource.assign(array(factored, name), array(original, name), 0);
        }
        long matrix = (long) STANDARD.intermediateSize() * HIDDEN;
        for (int i = 0; i < STANDARD.numExperts(); i++) {
            for (ExpertOperator operator : STANDARD.operators()) {
                NDArray w = ExpertMatrices.of(manager, factored, i, operator);
                switch (operator) {
                    case GATE -> WeightSource.assign(w, array(original, "gate_up"), 2L * i * matrix);
                    case UP -> WeightSource.assign(w, array(original, "gate_up"), (2 * i + 1) * matrix);
                    case DOWN -> WeightSource.assign(w, array(original, "down"), i * matrix);
                }
            }
        }
        return original;
    }

    private void disturb(MoeBlock factored, double share) {
        RoutedExperts.factors(factored.spec()).forEach(name -> disturb(array(factored, name), share));
    }

    private void disturb(NDArray array, double share) {
        try (NoGrad noGrad = new NoGrad()) {
            double rms = Math.sqrt(array.square().mean().getFloat());
            NDArray noise = manager.randomNormal(0, (float) (share * rms), array.getShape(), DataType.FLOAT32);
            array.addi(noise);
        }
    }

    /** Chunks of tokens, some of whose coordinates are louder than others. */
    private static LayerInputs inputs(int chunks, int tokens) {
        return new LayerInputs("layer 3", chunks, HIDDEN, (owner, index) -> {
            Random random = new Random(index);
            float[] x = new float[tokens * HIDDEN];
            for (int j = 0; j < x.length; j++) {
                x[j] = (float) (random.nextGaussian() * Math.exp(-0.15 * (j % HIDDEN)));
            }
            return owner.create(x, new Shape(tokens, HIDDEN));
        });
    }

    private static NDArray forward(MoeBlock block, NDArray x) {
        return block.forward(new ParameterStore(x.getManager(), false), new NDList(x), false)
                .head();
    }

    private static NDArray array(MoeBlock block, String name) {
        return block.getDirectParameters().get(name).getArray();
    }

    private static Map<String, float[]> values(MoeBlock block) {
        Map<String, float[]> values = new LinkedHashMap<>();
        block.getDirectParameters()
                .forEach(entry ->
                        values.put(entry.getKey(), entry.getValue().getArray().toFloatArray()));
        return values;
    }
}
