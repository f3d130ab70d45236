package ai.molae.djl.moe;

import static ai.molae.djl.moe.MoeBlockRecomputeTest.assertSame;
import static ai.molae.djl.moe.MoeBlockRecomputeTest.layer;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlockRecomputeTest.Form;
import ai.molae.djl.torch.AdapterReference;
import ai.molae.djl.torch.Freezing;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GemmKernel;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Adapters of the experts in every form of layer, by autograd, on a tape and recomputed, against W + s B A made explicitly. */
class MoeBlockAdaptersTest {

    private static final double SCALE = 0.5;
    private static final int RANK = 2;

    private final NDManager modelManager = NDManager.newBaseManager();
    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        Gemm.use(Optional.empty());
        manager.close();
        modelManager.close();
    }

    /** With an adapter for every matrix that can have one. */
    private MoeBlock adapted(LayerCase layer, boolean recompute) {
        return adapted(layer.block(modelManager, MoeBlock.builder().optRecompute(recompute)));
    }

    private static MoeBlock adapted(MoeBlock block) {
        Freezing.train(block, parameter -> false);
        block.addAdapters(block.adaptable(), RANK, RANK * SCALE);
        AdapterReference.randomize(block, 0.3, 5);
        return block;
    }

    private MoeBlock twin(LayerCase layer, MoeBlock block) {
        MoeBlock twin = layer.block(modelManager, MoeBlock.builder());
        AdapterReference.set(twin, AdapterReference.effective(block, SCALE));
        return twin;
    }

    /** One training pass: y, aux, the gradient of x, and those of the parameters that train. */
    private Map<String, double[]> train(LayerCase layer, MoeBlock block, Supplier<GradientCollector> collectors) {
        NDArray x = layer.x(manager);
        x.setRequiresGradient(true);
        Map<String, double[]> result = new LinkedHashMap<>();
        try (GradientCollector collector = collectors.get()) {
            NDList outputs = block.forward(new ParameterStore(manager, false), new NDList(x), true);
            result.put("y", AdapterReference.doubles(outputs.get(0)));
            result.put("aux", AdapterReference.doubles(outputs.get(1)));
            collector.backward(layer.loss(manager, outputs));
        }
        result.put("dx", AdapterReference.doubles(x.getGradient()));
        block.getParameters().forEach(entry -> {
            if (entry.getValue().requiresGradient()) {
                try (NDArray gradient = entry.getValue().getArray().getGradient()) {
                    result.put(entry.getKey(), AdapterReference.doubles(gradient));
                }
            }
        });
        return result;
    }

    private void assertEqualsTwin(LayerCase layer) {
        MoeBlock block = adapted(layer, false);
        Map<String, double[]> dense = train(layer, twin(layer, block), LayerCase::djlCollector);
        Map<String, double[]> expected = AdapterReference.gradients(block, dense, SCALE);
        assertThat(expected).hasSize(2 * block.adaptable().size());
        List.of("y", "aux", "dx").forEach(name -> expected.put(name, dense.get(name)));

        for (Supplier<GradientCollector> collector :
                List.<Supplier<GradientCollector>>of(LayerCase::djlCollector, GradientTape::new)) {
            Map<String, double[]> actual = train(layer, adapted(layer, false), collector);
            assertThat(actual).containsOnlyKeys(expected.keySet());
            expected.forEach(
                    (name, values) -> assertThat(actual.get(name)).as(name).containsExactly(values, within(1e-3)));
            double[] inferred = AdapterReference.doubles(
                    block.forward(new ParameterStore(manager, false), new NDList(layer.x(manager)), false)
                            .singletonOrThrow());
            assertThat(inferred).containsExactly(expected.get("y"), within(1e-4));
        }
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void areAsIfAddedToTheirMatricesForwardAndBackward(Form form) {
        assertEqualsTwin(layer(form.spec, 7));
    }

    /** More than 1024 choices go expert by expert. */
    @ParameterizedTest
    @EnumSource(
            value = Form.class,
            names = {"STANDARD", "SEVERAL_GROUPS", "EVERYTHING"})
    void manyTokensTakeAnotherWayToTheSame(Form form) {
        assertEqualsTwin(layer(form.spec, 520));
    }

    @ParameterizedTest
    @EnumSource(
            value = Form.class,
            names = {"STANDARD", "EVERYTHING"})
    void eitherKernelMultipliesThem(Form form) {
        for (GemmKernel kernel : List.of(GemmKernel.MATMUL, GemmKernel.ONEDNN)) {
            Gemm.use(Optional.of(kernel));
            assertEqualsTwin(layer(form.spec, 33));
        }
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void recomputingGivesTheSameBits(Form form) {
        LayerCase layer = layer(form.spec, 33);
        assertSame(
                "recomputed",
                train(layer, adapted(layer, true), GradientTape::new),
                train(layer, adapted(layer, false), GradientTape::new));
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void noTokensAreNoObstacle(Form form) {
        LayerCase layer = layer(form.spec, 0);
        for (boolean recompute : new boolean[] {false, true}) {
            MoeBlock block = adapted(layer, recompute);
            train(layer, block, GradientTape::new)
                    .forEach((name, values) ->
                            assertThat(values).as(name).containsOnly(new double[values.length == 0 ? 0 : 1]));
        }
    }

    @Test
    void onTheSharedExpertAloneTheTapedKernelRuns() {
        LayerCase layer = layer(Form.EVERYTHING.spec, 33);
        List<String> shared = List.of("shared_gate_up", "shared_down");
        MoeBlock[] blocks = new MoeBlock[2];
        for (int i = 0; i < 2; i++) {
            blocks[i] = layer.block(modelManager, MoeBlock.builder());
            Freezing.train(blocks[i], parameter -> false);
            blocks[i].addAdapters(shared, RANK, RANK * SCALE);
            AdapterReference.randomize(blocks[i], 0.3, 5);
        }
        Map<String, double[]> expected = train(layer, blocks[0], LayerCase::djlCollector);
        Map<String, double[]> actual = train(layer, blocks[1], GradientTape::new);
        assertThat(actual).containsOnlyKeys(expected.keySet()).hasSize(3 + 4);
        expected.forEach((name, values) -> assertThat(actual.get(name)).as(name).containsExactly(values, within(1e-4)));
    }

    @Test
    void bfloat16AddsRoundingOnly() {
        LayerCase layer = layer(Form.EVERYTHING.spec, 33);
        MoeBlock half = adapted(layer.block(modelManager, MoeBlock.builder().optPrecision(Precision.BFLOAT16)));
        double[] expected =
                train(layer, twin(layer, half), LayerCase::djlCollector).get("y");
        double largest = 0;
        for (double value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        Map<String, double[]> actual = train(layer, half, GradientTape::new);
        assertThat(actual.get("y")).containsExactly(expected, within(0.02 * largest));
        assertThat(actual.get("down_lora_b")).isNotEqualTo(new double[actual.get("down_lora_b").length]);
    }

    @Test
    void anOpenScopeDoesNotCloseWhatLasts() {
        LayerCase layer = layer(Form.STANDARD.spec, 7);
        MoeBlock block = layer.block(modelManager, MoeBlock.builder());
        Map<String, double[]> first = train(layer, block, GradientTape::new);
        try (NDScope scope = new NDScope()) {
            Freezing.train(block, parameter -> false);
            block.addAdapters(List.of("down"), RANK, RANK * SCALE);
        }
        assertThat(train(layer, block, GradientTape::new).get("y")).containsExactly(first.get("y"), within(1e-5));
    }

    @Test
    void aBlockOfItsOwnSaysWhatItRefuses() {
        MoeBlock block = layer(Form.STANDARD.spec, 3).block(modelManager, MoeBlock.builder());
        assertThatThrownBy(() -> block.addAdapters(List.of("router"), 2, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no adapter for router of MoeBlock, only for [gate_up, down]");
        assertThatThrownBy(() -> block.addAdapters(List.of("down"), 0, 2))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least 1, got 0");
        block.addAdapters(List.of("down"), 2, 2);
        assertThatThrownBy(() -> block.addAdapters(List.of("gate_up"), 2, 2))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("1 weights of this MoeBlock have adapters");
        MoeBlock empty = MoeBlock.builder().setSpec(Form.STANDARD.spec).build();
        assertThatThrownBy(() -> empty.addAdapters(List.of("down"), 2, 2))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("initialise or load");
    }

    @Test
    void initialisingAgainLeavesAdaptersAlone() {
        LayerCase layer = layer(Form.STANDARD.spec, 3);
        MoeBlock block = adapted(layer, false);
        double[] before = AdapterReference.doubles(
                block.getParameters().get("down_lora_b").getArray());
        block.initialize(
                modelManager, DataType.FLOAT32, new Shape(1, layer.spec().hiddenSize()));
        assertThat(AdapterReference.doubles(
                        block.getParameters().get("down_lora_b").getArray()))
                .containsExactly(before);
    }
}
