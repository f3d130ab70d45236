package ai.molae.djl.moe;

import static ai.molae.djl.moe.MoeBlockRecomputeTest.assertSame;
import static ai.molae.djl.moe.MoeBlockRecomputeTest.layer;
import static ai.molae.djl.moe.MoeBlockRecomputeTest.parameterNames;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlockRecomputeTest.Form;
import ai.molae.djl.torch.GradientTape;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.SharedExpertSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Several layers and calls on one {@link GradientTape}, frozen ones and such with nothing to do; all as by autograd. */
class MoeBlockTapeTest {

    private static final int N = 8;

    private NDManager modelManager;
    private NDManager manager;

    @BeforeEach
    void setUp() {
        modelManager = NDManager.newBaseManager();
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void tearDown() {
        manager.close();
        modelManager.close();
    }

    private MoeBlock block(LayerCase layer, boolean recompute) {
        return layer.block(modelManager, MoeBlock.builder().optRecompute(recompute));
    }

    private Map<String, double[]> onTape(LayerCase layer, MoeBlock block) {
        return layer.actual(manager, block, GradientTape::new, () -> {});
    }

    /** Within rounding, of the largest number of all. */
    private static void assertClose(Map<String, float[]> actual, Map<String, float[]> expected) {
        assertThat(actual).containsOnlyKeys(expected.keySet());
        double largest = 0;
        for (float[] values : expected.values()) {
            for (float value : values) {
                largest = Math.max(largest, Math.abs(value));
            }
        }
        assertThat(largest).isPositive();
        for (Map.Entry<String, float[]> entry : expected.entrySet()) {
            assertThat(actual.get(entry.getKey())).as(entry.getKey()).containsExactly(entry.getValue(), within((float)
                    (1e-5 * largest)));
        }
    }

    // ---- frozen parameters ----

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void frozenParametersGetNoGradientAndTheOthersTheirs(boolean recompute) {
        LayerCase layer = layer(MoeBlockTest.SPEC, 33);
        Map<String, double[]> all = onTape(layer, block(layer, recompute));
        List<Predicate<String>> choices = new ArrayList<>();
        parameterNames(MoeBlockTest.SPEC).forEach(name -> choices.add(name::equals));
        choices.add(name -> name.startsWith("latent"));
        choices.add(name -> name.startsWith("shared"));
        choices.add(name -> !name.equals("router"));
        choices.add(name -> true);
        for (Predicate<String> frozen : choices) {
            MoeBlock block = block(layer, recompute);
            block.freezeParameters(true, parameter -> frozen.test(parameter.getName()));
            Map<String, double[]> expected = new LinkedHashMap<>(all);
            expected.keySet().removeIf(name -> name.startsWith("d ") && frozen.test(name.substring(2)));
            assertSame("the others", onTape(layer, block), expected);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aParameterFrozenBetweenStepsKeepsTheGradientItHad(boolean tape) {
        LayerCase layer = layer(MoeBlockTest.SPEC, 33);
        MoeBlock block = block(layer, false);
        Supplier<GradientCollector> collectors = tape ? GradientTape::new : LayerCase::djlCollector;
        Map<String, double[]> first = layer.actual(manager, block, collectors, () -> {});
        Predicate<Parameter> down = parameter -> parameter.getName().equals("down");
        block.freezeParameters(true, down);
        assertThat(layer.actual(manager, block, collectors, () -> {})).doesNotContainKey("d down");
        block.freezeParameters(false, down);
        try (NDArray gradient =
                block.getDirectParameters().get("down").getArray().getGradient()) {
            assertThat(LayerCase.doubles(gradient)).containsExactly(first.get("d down"));
        }
    }

    // ---- several blocks and calls on one tape ----

    private NDList forward(MoeBlock block, NDArray x) {
        return block.forward(new ParameterStore(manager, false), new NDList(x), true);
    }

    /** The gradients of block and input, and the loss, of a loss made of both. */
    private Map<String, float[]> gradients(
            MoeBlock block,
            LayerCase layer,
            Supplier<GradientCollector> collectors,
            BiFunction<MoeBlock, NDArray, NDArray> loss) {
        Map<String, float[]> result = new LinkedHashMap<>();
        NDArray x = layer.x(manager);
        x.setRequiresGradient(true);
        try (GradientCollector collector = collectors.get()) {
            NDArray l = loss.apply(block, x);
            result.put("loss", l.toType(DataType.FLOAT32, true).toFloatArray());
            collector.backward(l);
        }
        result.put("dx", x.getGradient().toFloatArray());
        for (String name : parameterNames(block.spec())) {
            result.put(
                    name,
                    block.getDirectParameters()
                            .get(name)
                            .getArray()
                            .getGradient()
                            .toFloatArray());
        }
        return result;
    }

    /** The same gradients on a tape, keeping and recomputing, as by autograd. */
    private void assertTapeEqualsAutograd(LayerCase layer, BiFunction<MoeBlock, NDArray, NDArray> loss) {
        Map<String, float[]> expected = gradients(block(layer, false), layer, LayerCase::djlCollector, loss);
        for (boolean recompute : new boolean[] {false, true}) {
            assertClose(gradients(block(layer, recompute), layer, GradientTape::new, loss), expected);
        }
    }

    /** {@code Σ y² + aux}. */
    private static NDArray loss(NDList outputs) {
        return outputs.get(0).square().sum().add(outputs.get(1));
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void gradientsOfTwoCallsAddUp(Form form) {
        LayerCase layer = layer(form.spec, 7);
        NDArray other = layer(form.spec, 12).x(manager).flip(0);
        assertTapeEqualsAutograd(layer, (block, x) -> loss(forward(block, x)).add(loss(forward(block, other))));
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void aBlockMayReadItsOwnOutput(Form form) {
        assertTapeEqualsAutograd(layer(form.spec, 7), (block, x) -> {
            NDList first = forward(block, x);
            return loss(forward(block, first.get(0))).add(first.get(1));
        });
    }

    @Test
    void aBlockMayBeReadTwiceByAutograd() {
        assertTapeEqualsAutograd(layer(MoeBlockTest.SPEC, 7), (block, x) -> {
            NDArray y = forward(block, x).get(0);
            return y.mul(y.tanh()).sum();
        });
    }

    @Test
    void insideAResidualConnectionTheInputIsCut() {
        LayerCase layer = layer(MoeBlockTest.SPEC, 7);
        NDArray scale = manager.arange(1f, 1 + N, 1f, DataType.FLOAT32).div(N);
        assertTapeEqualsAutograd(layer, (block, x) -> {
            NDArray h = x.mul(scale).tanh();
            NDArray aux = manager.create(0f);
            for (int i = 0; i < 3; i++) {
                h = GradientTape.cut(h);
                NDList outputs = forward(block, h.mul(scale));
                h = h.add(outputs.get(0)).tanh();
                aux = aux.add(outputs.get(1));
            }
            return h.square().sum().add(aux);
        });
    }

    @Test
    void insideAResidualConnectionWithoutCutItIsRefused() {
        LayerCase layer = layer(MoeBlockTest.SPEC, 7);
        assertThatIllegalStateException()
                .isThrownBy(() -> gradients(block(layer, false), layer, GradientTape::new, (block, x) -> {
                    NDArray h = x.tanh();
                    return h.add(forward(block, h).get(0)).sum();
                }))
                .withMessageContaining("GradientTape.cut");
        assertTapeEqualsAutograd(layer, (block, x) -> loss(forward(block, x)));
    }

    @Test
    void withoutAuxOutputTheAuxiliaryLossHasNoGradient() {
        LayerCase layer = layer(MoeBlockTest.SPEC, 7);
        BiFunction<MoeBlock, NDArray, NDArray> loss =
                (block, x) -> forward(block, x).get(0).square().sum();
        Map<String, float[]> expected = gradients(block(layer, false), layer, LayerCase::djlCollector, loss);
        for (boolean recompute : new boolean[] {false, true}) {
            MoeBlock.Builder quiet = MoeBlock.builder().optAuxOutput(false).optRecompute(recompute);
            assertClose(gradients(layer.block(modelManager, quiet), layer, GradientTape::new, loss), expected);
        }
    }

    @Test
    void aLossOfAuxAloneReachesTheRouterOnly() {
        LayerCase layer = layer(Form.SHARED.spec, 7);
        Map<String, float[]> gradients =
                gradients(block(layer, false), layer, GradientTape::new, (block, x) -> forward(block, x)
                        .get(1));
        assertThat(gradients.get("router")).isNotEqualTo(new float[5 * N]);
        for (String name : List.of("gate_up", "down", "shared_gate_up", "shared_down")) {
            for (float value : gradients.get(name)) {
                assertThat(value).as(name).isZero();
            }
        }
        assertTapeEqualsAutograd(layer, (block, x) -> forward(block, x).get(1));
    }

    // ---- nothing to do ----

    @ParameterizedTest
    @EnumSource(Form.class)
    void noTokensAreNoObstacle(Form form) {
        LayerCase layer = layer(form.spec, 0);
        for (boolean recompute : new boolean[] {false, true}) {
            Map<String, double[]> actual = onTape(layer, block(layer, recompute));
            assertThat(actual.get("y")).isEmpty();
            assertThat(actual.get("dx")).isEmpty();
            assertThat(actual.get("aux")).containsExactly(0);
            assertThat(actual.get("load")).containsExactly(0, 0, 0, 0, 0);
            actual.forEach((name, values) -> assertThat(Arrays.stream(values).allMatch(value -> value == 0))
                    .as(name)
                    .isTrue());
        }
    }

    /** A capacity that rounds to no token at all. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whereAllTokensAreDroppedTheRestOfTheLayerTrains(boolean shared) {
        MoeSpec.Builder dropping = Form.STANDARD.spec.toBuilder()
                .setTopK(1)
                .optRouter(RouterSpec.builder()
                        .optCapacityFactor(Double.MIN_VALUE)
                        .optAuxLossCoef(0.1)
                        .optZLossCoef(0.01)
                        .build());
        if (shared) {
            dropping.optSharedExpert(new SharedExpertSpec(7, true));
        }
        LayerCase layer = layer(dropping.build(), 2);
        assertThat(layer.reference().routing().dropped()).isEqualTo(2);
        assertTapeEqualsAutograd(layer, (block, x) -> {
            NDList outputs = forward(block, x);
            assertThat(outputs.get(0).neq(0).any().getBoolean()).isEqualTo(shared);
            return loss(outputs);
        });
    }
}
