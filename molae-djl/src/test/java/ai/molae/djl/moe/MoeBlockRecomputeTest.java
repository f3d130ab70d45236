package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GemmKernel;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.SharedExpertSpec;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Activations kept or computed again: what {@link MoeBlock.Builder#optRecompute} changes and what not. */
class MoeBlockRecomputeTest {

    private static final int N = 8;

    /** Layers that take different ways through {@code experts_backward}. */
    @SuppressWarnings("ImmutableEnumChecker") // a MoeSpec is immutable
    enum Form {
        STANDARD(base()),
        ONE_GROUP(base().optLatent(
                        LatentSpec.builder().setLatentSize(4).setGroupSize(5).build())),
        SEVERAL_GROUPS(base().optLatent(
                        LatentSpec.builder().setLatentSize(4).setGroupSize(2).build())),
        TIED(base().optLatent(LatentSpec.builder()
                .setLatentSize(4)
                .setGroupSize(2)
                .optTiedGateUp(true)
                .build())),
        LATENT_DOWN(base().optLatent(LatentSpec.builder()
                .setLatentSize(4)
                .setGroupSize(2)
                .optFactored(ExpertOperator.DOWN)
                .build())),
        UNGATED(base().optGated(false).optActivation(Activation.RELU_SQUARED)),
        SHARED(base().optSharedExpert(new SharedExpertSpec(7, true))),
        DROPPING(base().optRouter(RouterSpec.builder()
                .optCapacityFactor(0.5)
                .optAuxLossCoef(0.1)
                .build())),
        EVERYTHING(MoeBlockTest.SPEC.toBuilder()
                .optRouter(MoeBlockTest.SPEC.router().toBuilder()
                        .optCapacityFactor(1)
                        .build()));

        final MoeSpec spec;

        Form(MoeSpec.Builder builder) {
            spec = builder.build();
        }

        private static MoeSpec.Builder base() {
            return MoeSpec.builder()
                    .setHiddenSize(N)
                    .setIntermediateSize(6)
                    .setNumExperts(5)
                    .setTopK(2)
                    .optRouter(RouterSpec.builder()
                            .optAuxLossCoef(0.1)
                            .optZLossCoef(0.01)
                            .build());
        }
    }

    private NDManager modelManager;
    private NDManager manager;

    @BeforeEach
    void setUp() {
        modelManager = NDManager.newBaseManager();
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void tearDown() {
        Gemm.use(Optional.empty());
        manager.close();
        modelManager.close();
    }

    static LayerCase layer(MoeSpec spec, int tokens) {
        return LayerCase.draw(spec, tokens, new SplittableRandom(7), LayerCase.FLOAT32);
    }

    private MoeBlock block(LayerCase layer, boolean recompute) {
        return layer.block(modelManager, MoeBlock.builder().optRecompute(recompute));
    }

    private Map<String, double[]> onTape(LayerCase layer, MoeBlock block) {
        return layer.actual(manager, block, GradientTape::new, () -> {});
    }

    static void assertSame(String what, Map<String, double[]> actual, Map<String, double[]> expected) {
        assertThat(actual).containsOnlyKeys(expected.keySet());
        expected.forEach((name, values) ->
                assertThat(actual.get(name)).as("%s of %s", name, what).containsExactly(values));
    }

    static Set<String> parameterNames(MoeSpec spec) {
        Set<String> names = new LinkedHashSet<>();
        spec.parameters().forEach(parameter -> names.add(parameter.name()));
        names.remove("e_score_correction_bias");
        return names;
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void recomputingChangesNoBit(Form form) {
        assertRecomputingChangesNoBit(form, 40);
        assertRecomputingChangesNoBit(form, 80);
    }

    /** Up to 64 choices take a way of their own through {@code experts}. */
    @ParameterizedTest
    @EnumSource(Form.class)
    void recomputingChangesNoBitOfAFewTokens(Form form) {
        assertRecomputingChangesNoBit(form, 3);
    }

    private void assertRecomputingChangesNoBit(Form form, int tokens) {
        LayerCase layer = layer(form.spec, tokens);
        for (GemmKernel kernel : List.of(GemmKernel.MATMUL, GemmKernel.ONEDNN)) {
            Gemm.use(Optional.of(kernel));
            for (Precision precision : List.of(Precision.FLOAT32, Precision.BFLOAT16)) {
                List<Map<String, double[]>> results = new ArrayList<>();
                for (boolean recompute : new boolean[] {false, true}) {
                    MoeBlock block = layer.block(
                            modelManager,
                            MoeBlock.builder().optPrecision(precision).optRecompute(recompute));
                    results.add(onTape(layer, block));
                }
                assertThat(results.get(0)).containsKeys("y", "aux", "load", "dx", "d router", "d down");
                assertThat(results.get(0)).hasSize(4 + parameterNames(form.spec).size());
                assertSame(kernel + " " + precision, results.get(1), results.get(0));
            }
        }
    }

    @Test
    void theFormsDropAndDoNotDrop() {
        for (int tokens : new int[] {3, 80}) {
            for (Form form : Form.values()) {
                boolean drops = form == Form.DROPPING || form == Form.EVERYTHING;
                if (!drops || tokens == 80) {
                    assertThat(layer(form.spec, tokens).reference().routing().dropped() > 0)
                            .as("%s, T = %s", form, tokens)
                            .isEqualTo(drops);
                }
            }
        }
    }

    @Test
    void recomputingWithoutATapeIsRefusedWithBothRemedies() {
        LayerCase layer = layer(Form.STANDARD.spec, 3);
        MoeBlock block = block(layer, true);
        assertThatIllegalStateException()
                .isThrownBy(() -> layer.actual(manager, block))
                .withMessageContainingAll("GradientTape", "optRecompute(false)");
        assertThat(layer.inferred(manager, block).get("y"))
                .isEqualTo(layer.inferred(manager, block(layer, false)).get("y"));
        assertThat(onTape(layer, block)).containsKey("dx");
    }

    @Test
    void recomputingKeepsNoActivations() {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(64)
                .setIntermediateSize(512)
                .setNumExperts(4)
                .setTopK(2)
                .build();
        List<Long> held = new ArrayList<>();
        for (boolean recompute : new boolean[] {false, true}) {
            MoeBlock block =
                    MoeBlock.builder().setSpec(spec).optRecompute(recompute).build();
            block.initialize(modelManager, DataType.FLOAT32, new Shape(1, 64));
            NDArray x = manager.randomNormal(new Shape(2048, 64));
            for (int pass = 0; pass < 2; pass++) {
                long before = NativeMemory.inUse().orElseThrow();
                try (NDManager scope = manager.newSubManager();
                        GradientTape tape = new GradientTape()) {
                    x.attach(scope);
                    NDArray y = block.forward(new ParameterStore(scope, false), new NDList(x), true)
                            .head();
                    if (pass > 0) {
                        held.add(NativeMemory.inUse().orElseThrow() - before);
                    }
                    tape.backward(y.sum());
                    x.attach(manager);
                }
            }
        }
        // Products of gate and up: 2 experts · 2048 tokens · 1024 columns · 4 bytes = 16.8 MB
        assertThat(held.get(0) - held.get(1)).isBetween(12_000_000L, 22_000_000L);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void twoHundredStepsLeaveNothingBehind(boolean recompute) {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(64)
                .setIntermediateSize(64)
                .setNumExperts(4)
                .setTopK(2)
                .optLatent(
                        LatentSpec.builder().setLatentSize(32).setGroupSize(2).build())
                .optSharedExpert(new SharedExpertSpec(64, true))
                .build();
        MoeBlock block =
                MoeBlock.builder().setSpec(spec).optRecompute(recompute).build();
        block.initialize(modelManager, DataType.FLOAT32, new Shape(1, 64));
        int arrays = modelManager.getManagedArrays().size();
        List<Long> bytes = new ArrayList<>();
        for (int step = 0; step <= 200; step++) {
            try (NDManager scope = modelManager.newSubManager();
                    GradientTape tape = new GradientTape()) {
                NDArray x = scope.randomNormal(new Shape(512, 64));
                NDList outputs = block.forward(new ParameterStore(scope, false), new NDList(x), true);
                assertThat(outputs)
                        .allSatisfy(array -> assertThat(array.getManager()).isSameAs(scope));
                assertThat(scope.getManagedArrays()).as("x and the outputs").hasSize(1 + outputs.size());
                // every tenth step ends before its backward pass
                if (step % 10 != 5) {
                    tape.backward(outputs.get(0).square().sum().add(outputs.get(1)));
                }
            }
            assertThat(modelManager.getManagedArrays()).hasSize(arrays);
            if (step == 20 || step == 200) {
                bytes.add(NativeMemory.inUse().orElse(0));
            }
        }
        // One leaked activation of 128 KiB a step would be 24 MB; the JVM takes a few MB meanwhile.
        assertThat(bytes.get(1) - bytes.get(0)).isLessThan(16_000_000);
    }
}
