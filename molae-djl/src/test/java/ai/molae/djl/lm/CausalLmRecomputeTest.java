package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.AdapterReference;
import ai.molae.djl.torch.Freezing;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CausalLmRecomputeTest {

    private static final int[][] LABELS = {{1, 4, 1, 5, 9, -100}, {6, 5, 3, 5, 8, 0}};

    /** Models that together have every kind of layer. */
    @SuppressWarnings("ImmutableEnumChecker") // specs are immutable
    enum Form {
        EACH_LAYER_BALANCED(
                new GroupedQueryAttentionSpec(4, 2, 6, 100, true, QkNorm.PER_HEAD),
                moe(AuxLossScope.LAYER).build(),
                DenseSpec.swiglu(8, 7),
                moe(AuxLossScope.LAYER).optLatent(latent().build()).build(),
                moe(AuxLossScope.LAYER)
                        .optSharedExpert(new SharedExpertSpec(5, true))
                        .build()),
        EACH_SEQUENCE_BALANCED(
                new LatentAttentionSpec(3, 5, 4, 4, 2, 6, 100),
                DenseSpec.swiglu(8, 7),
                moe(AuxLossScope.SEQUENCE)
                        .optSharedExpert(new SharedExpertSpec(5, false))
                        .build(),
                moe(AuxLossScope.SEQUENCE)
                        .optLatent(latent().optTiedGateUp(true).build())
                        .build(),
                moe(AuxLossScope.SEQUENCE).optGated(false).build(),
                moe(AuxLossScope.SEQUENCE)
                        .optLatent(latent().optFactored(ExpertOperator.DOWN).build())
                        .optSharedExpert(new SharedExpertSpec(5, true))
                        .build()),
        ALL_LAYERS_BALANCED_TOGETHER(
                GroupedQueryAttentionSpec.of(2, 1, 4),
                moe(AuxLossScope.MODEL).build(),
                moe(AuxLossScope.MODEL).optLatent(latent().build()).build(),
                DenseSpec.swiglu(8, 7),
                moe(AuxLossScope.MODEL).build());

        final ModelSpec spec;

        Form(AttentionSpec attention, FeedForwardSpec... feedForwards) {
            ModelSpec.Builder builder = ModelSpec.builder()
                    .setVocabSize(LmFixture.VOCAB)
                    .setAttention(attention)
                    .optMaxPositionEmbeddings(16);
            for (FeedForwardSpec feedForward : feedForwards) {
                builder.addLayers(1, feedForward);
            }
            this.spec = builder.build();
        }

        private static MoeSpec.Builder moe(AuxLossScope scope) {
            return MoeSpec.builder()
                    .setHiddenSize(8)
                    .setIntermediateSize(5)
                    .setNumExperts(4)
                    .setTopK(2)
                    .optRouter(RouterSpec.builder()
                            .optScoreFunction(
                                    scope == AuxLossScope.SEQUENCE ? ScoreFunction.SIGMOID : ScoreFunction.SOFTMAX)
                            .optAuxLossCoef(0.5)
                            .optAuxLossScope(scope)
                            .optZLossCoef(0.01)
                            .build());
        }

        private static LatentSpec.Builder latent() {
            return LatentSpec.builder().setLatentSize(3).setGroupSize(2);
        }
    }

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm model(Form form, Precision precision) {
        CausalLm model =
                CausalLm.builder().setSpec(form.spec).optPrecision(precision).build();
        return LmFixture.initialized(model, manager, 7, new Shape(1, 1));
    }

    /** Outputs and gradients of two passes, whose gradients add up, with so many layers recomputed together. */
    private Map<String, float[]> train(CausalLm model, int layersPerSegment, boolean masked) {
        model.setRecompute(layersPerSegment);
        model.getParameters().values().stream()
                .filter(Parameter::requiresGradient)
                .forEach(p -> {
                    try (NDArray gradient = p.getArray().getGradient()) {
                        gradient.subi(gradient.duplicate());
                    }
                });
        Map<String, float[]> results = new LinkedHashMap<>();
        for (int pass = 0; pass < 2; pass++) {
            try (NDManager scope = manager.newSubManager();
                    GradientTape tape = new GradientTape()) {
                NDList inputs = new NDList(LmFixture.tokens(scope, LmFixture.TOKENS));
                if (masked) {
                    inputs.add(LmFixture.tokens(scope, new int[][] {{1, 1, 1, 1, 1, 0}, {0, 1, 1, 1, 1, 1}}));
                }
                NDList outputs = model.forward(new ParameterStore(scope, false), inputs, true);
                tape.backward(new CausalLmLoss().evaluate(new NDList(LmFixture.labels(scope, LABELS)), outputs));
                for (int i = 0; i < outputs.size(); i++) {
                    results.put(
                            "output " + i,
                            outputs.get(i).toType(DataType.FLOAT32, false).toFloatArray());
                }
            }
        }
        model.parametersByPath().forEach((name, parameter) -> {
            if (parameter.requiresGradient()) {
                try (NDArray gradient = parameter.getArray().getGradient()) {
                    results.put("d " + name, gradient.toFloatArray());
                }
            }
        });
        return results;
    }

    private static void assertSameBits(String name, Map<String, float[]> actual, Map<String, float[]> expected) {
        assertThat(actual).containsOnlyKeys(expected.keySet());
        expected.forEach((key, values) ->
                assertThat(actual.get(key)).as("%s: %s", name, key).containsExactly(values));
    }

    private void assertChangesNoBit(CausalLm model) {
        for (boolean masked : new boolean[] {false, true}) {
            Map<String, float[]> expected = train(model, 0, masked);
            assertThat(expected.keySet()).anyMatch(key -> key.startsWith("d "));
            for (int layers : new int[] {1, 2, 3, 100}) {
                assertSameBits(layers + " layers, mask " + masked, train(model, layers, masked), expected);
            }
        }
    }

    // ---- the same bits ----

    @ParameterizedTest
    @EnumSource(Form.class)
    void changesNoBitOfLogitsLossesLoadsAndGradients(Form form) {
        for (Precision precision : Precision.trainable()) {
            assertChangesNoBit(model(form, precision));
        }
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void changesNoBitOfTheGradientsOfAdapters(Form form) {
        for (Precision precision : Precision.trainable()) {
            CausalLm model = model(form, precision);
            model.addLora(new LoraSpec(2, 3, EnumSet.of(LoraTarget.ATTENTION, LoraTarget.EXPERTS)));
            AdapterReference.randomize(model, 0.5, 3);
            assertChangesNoBit(model);
        }
    }

    @Test
    void frozenParametersGetNoGradientAndTheOthersTheSameBits() {
        List<Predicate<String>> trained = List.of(
                // The first segments read what needs no gradient and hold nothing that does.
                name -> name.startsWith("layers.3") || name.equals("norm"),
                name -> name.equals("lm_head"),
                name -> name.startsWith("layers.1"),
                name -> name.endsWith("router"),
                name -> name.contains("mlp.down"));
        for (Predicate<String> trains : trained) {
            for (Form form : Form.values()) {
                CausalLm model = model(form, Precision.FLOAT32);
                Map<Parameter, Boolean> chosen = new LinkedHashMap<>();
                model.parametersByPath().forEach((name, parameter) -> chosen.put(parameter, trains.test(name)));
                Freezing.train(model, chosen::get);
                assertSameBits("2 layers", train(model, 2, false), train(model, 0, false));
            }
        }
    }

    @Test
    void theEmbeddingMayBeTheHeadToo() {
        ModelSpec tied = LmFixture.specBuilder().optTieWordEmbeddings(true).build();
        assertChangesNoBit(LmFixture.model(tied, manager));
    }

    @Test
    void theAuxiliaryLossesOfSegmentsHaveGradients() {
        // Without the cross-entropy all gradients come from the auxiliary losses, of each layer or pooled.
        for (Form form : Form.values()) {
            CausalLm model = model(form, Precision.FLOAT32);
            model.setRecompute(2);
            try (NDManager scope = manager.newSubManager();
                    GradientTape tape = new GradientTape()) {
                NDArray tokens = LmFixture.tokens(scope, LmFixture.TOKENS);
                NDList outputs = model.forward(new ParameterStore(scope, false), new NDList(tokens), true);
                tape.backward(outputs.get(1));
            }
            model.parametersByPath().forEach((name, parameter) -> {
                if (name.endsWith("router")) {
                    try (NDArray gradient = parameter.getArray().getGradient()) {
                        assertThat(gradient.abs().sum().getFloat()).as(name).isPositive();
                    }
                }
            });
        }
    }

    // ---- rules ----

    @Test
    void inferenceIsNotConcerned() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        float[] expected = LmFixture.infer(model, tokens).head().toFloatArray();

        model.setRecompute(1);

        assertThat(LmFixture.infer(model, tokens).head().toFloatArray()).containsExactly(expected);
        assertThat(model.recompute()).isEqualTo(1);
    }

    @Test
    void needsATape() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        model.setRecompute(2);
        NDList tokens = new NDList(LmFixture.tokens(manager, LmFixture.TOKENS));
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> model.forward(new ParameterStore(manager, false), tokens, true))
                    .withMessageContaining("2 layers at a time")
                    .withMessageContaining("GradientTape");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> model.setRecompute(-1))
                .withMessageContaining("-1");
    }

    // ---- memory ----

    /** Native bytes held between the passes, behind handles of nothing but the outputs. */
    private long heldBetweenThePasses(CausalLm model, int layersPerSegment) {
        model.setRecompute(layersPerSegment);
        long held = 0;
        for (int pass = 0; pass < 2; pass++) {
            try (NDManager scope = manager.newSubManager();
                    GradientTape tape = new GradientTape()) {
                NDArray tokens = scope.zeros(new Shape(4, 512), DataType.INT64);
                long before = NativeMemory.inUse().orElseThrow();
                NDList outputs = model.forward(new ParameterStore(scope, false), new NDList(tokens), true);
                held = NativeMemory.inUse().orElseThrow() - before;
                assertThat(scope.getManagedArrays()).as("tokens and outputs").hasSize(1 + outputs.size());
                tape.backward(outputs.get(0).mean().add(outputs.get(1)));
            }
        }
        return held;
    }

    @Test
    void keepsTheInputsOfSegmentsOnly() {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(128)
                .setIntermediateSize(256)
                .setNumExperts(4)
                .setTopK(2)
                .build();
        CausalLm model = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(32)
                        .setAttention(GroupedQueryAttentionSpec.of(4, 2, 32))
                        .addLayers(8, moe)
                        .optMaxPositionEmbeddings(512)
                        .build())
                .build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        List<Long> held = new ArrayList<>();
        for (int layers : new int[] {0, 1, 4}) {
            held.add(heldBetweenThePasses(model, layers));
        }
        // [T, n] is 1 MB. A layer keeps the products of gate and up of 2 experts per token, 8 MB, and about ten times
        // [T, n].
        long unit = 2048L * 128 * 4;
        assertThat(held.get(0)).isBetween(8 * 14 * unit, 8 * 30 * unit);
        // The inputs of 8 or 2 segments, the logits and what the final norm keeps; the JVM may take some MB meanwhile.
        assertThat(held.get(1)).isBetween(8 * unit, 30 * unit);
        assertThat(held.get(2)).isBetween(2 * unit, 24 * unit);
    }
}
