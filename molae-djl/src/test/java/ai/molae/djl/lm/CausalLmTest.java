package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class CausalLmTest {

    private static final int[][] LABELS = {{1, 4, 1, 5, 9, -100}, {6, 5, 3, 5, 8, 0}};

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void equalsTheReference(boolean tied) {
        ModelSpec spec = LmFixture.specBuilder().optTieWordEmbeddings(tied).build();
        CausalLm model = LmFixture.model(spec, manager);

        NDList outputs = LmFixture.infer(model, LmFixture.tokens(manager, LmFixture.TOKENS));

        NDArray logits = outputs.singletonOrThrow();
        assertThat(logits.getShape()).isEqualTo(new Shape(2, 6, LmFixture.VOCAB));
        assertThat(logits.getDataType()).isEqualTo(DataType.FLOAT32);
        double[][][] expected = new ReferenceLm(spec, LmFixture.values(model))
                .forward(LmFixture.TOKENS)
                .logits();
        assertThat(LmFixture.doubles(logits)).containsExactly(LmFixture.flat(expected), within(1e-4));
    }

    @Test
    void readsInt32LikeInt64() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        NDArray longs = LmFixture.tokens(manager, LmFixture.TOKENS);
        assertThat(LmFixture.infer(model, longs.toType(DataType.INT32, true)).head())
                .isEqualTo(LmFixture.infer(model, longs).head());
    }

    @Test
    void neverLooksAhead() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        float[] before = LmFixture.infer(model, LmFixture.tokens(manager, new int[][] {{3, 1, 4, 1, 5}}))
                .head()
                .toFloatArray();
        float[] after = LmFixture.infer(model, LmFixture.tokens(manager, new int[][] {{3, 1, 4, 9, 0}}))
                .head()
                .toFloatArray();
        int seen = 3 * LmFixture.VOCAB;
        assertThat(Arrays.copyOf(after, seen)).containsExactly(Arrays.copyOf(before, seen), within(1e-5f));
        assertThat(Arrays.copyOfRange(after, seen, after.length))
                .isNotEqualTo(Arrays.copyOfRange(before, seen, before.length));
    }

    @Test
    void returnsAuxiliaryLossAndLoadsInTraining() {
        ModelSpec spec = LmFixture.spec();
        CausalLm model = LmFixture.model(spec, manager);
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);

        NDList outputs = model.forward(new ParameterStore(manager, false), new NDList(tokens), true);

        assertThat(outputs).hasSize(4);
        assertThat(outputs.head()).isEqualTo(LmFixture.infer(model, tokens).head());
        double aux = new ReferenceLm(spec, LmFixture.values(model))
                .forward(LmFixture.TOKENS)
                .aux();
        assertThat(aux).isGreaterThan(0.2);
        assertThat(outputs.get(1).getShape()).isEqualTo(new Shape());
        assertThat((double) outputs.get(1).getFloat()).isCloseTo(aux, within(1e-4));
        for (NDArray load : outputs.subNDList(2)) {
            assertThat(load.getDataType()).isEqualTo(DataType.INT64);
            assertThat(Arrays.stream(load.toLongArray()).sum()).isEqualTo(12 * 2);
        }
    }

    @Test
    void returnsAZeroAuxiliaryLossWithoutMoeLayers() {
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(5)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 4))
                .addLayers(1, DenseSpec.swiglu(8, 4))
                .build();
        CausalLm model = LmFixture.model(spec, manager);
        NDArray tokens = LmFixture.tokens(manager, new int[][] {{1, 2}});
        NDList outputs = LmFixture.train(model, tokens, LmFixture.labels(manager, new int[][] {{2, 3}}));
        assertThat(outputs).hasSize(2);
        assertThat(outputs.get(1).getShape()).isEqualTo(new Shape());
        assertThat(outputs.get(1).getFloat()).isZero();
    }

    /**
     * Central differences of the double-precision reference, every parameter; step 1e-5 leaves them exact to about 1e-9, so that what is
     * tolerated is float32 rounding of the gradient under test.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void hasTheGradientsOfTheReference(boolean tied) {
        ModelSpec spec = LmFixture.specBuilder().optTieWordEmbeddings(tied).build();
        CausalLm model = LmFixture.model(spec, manager);
        Map<String, double[]> parameters = LmFixture.values(model);
        ReferenceLm reference = new ReferenceLm(spec, parameters);

        LmFixture.train(model, LmFixture.tokens(manager, LmFixture.TOKENS), LmFixture.labels(manager, LABELS));

        Map<String, double[]> gradients = LmFixture.gradients(model);
        assertThat(gradients.keySet()).isEqualTo(parameters.keySet());
        parameters.forEach((name, values) -> {
            double[] expected = new double[values.length];
            for (int i = 0; i < values.length; i++) {
                double value = values[i];
                values[i] = value + 1e-5;
                double above = reference.loss(LmFixture.TOKENS, LABELS);
                values[i] = value - 1e-5;
                double below = reference.loss(LmFixture.TOKENS, LABELS);
                values[i] = value;
                expected[i] = (above - below) / 2e-5;
            }
            assertThat(gradients.get(name)).as(name).containsExactly(expected, within(2e-5));
            double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
            assertThat(largest).as(name).isGreaterThan(2e-3);
        });
    }

    @Test
    void sharesOneParameterBetweenTiedEmbeddingAndHead() {
        ModelSpec untied = LmFixture.spec();
        ModelSpec tied = LmFixture.specBuilder().optTieWordEmbeddings(true).build();
        CausalLm one = LmFixture.model(tied, manager);
        CausalLm two = LmFixture.model(untied, manager);
        assertThat(two.getParameters().size()).isEqualTo(one.getParameters().size() + 1);
        for (Pair<String, Parameter> entry : one.getParameters()) {
            entry.getValue()
                    .getArray()
                    .copyTo(two.getParameters().get(entry.getKey()).getArray());
        }
        one.getParameters()
                .get("embed_tokens")
                .getArray()
                .copyTo(two.getParameters().get("lm_head").getArray());
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        NDArray labels = LmFixture.labels(manager, LABELS);

        LmFixture.train(one, tokens, labels);
        LmFixture.train(two, tokens, labels);

        double[] sum = LmFixture.gradients(two).get("embed_tokens").clone();
        double[] head = LmFixture.gradients(two).get("lm_head");
        Arrays.setAll(sum, i -> sum[i] + head[i]);
        assertThat(LmFixture.gradients(one).get("embed_tokens")).containsExactly(sum, within(1e-5));
    }

    @Test
    void isCloseToFloat32InBfloat16() {
        ModelSpec spec = LmFixture.spec();
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        NDArray labels = LmFixture.labels(manager, LABELS);
        CausalLm exact = LmFixture.model(spec, manager);
        CausalLm rounded = CausalLm.builder()
                .setSpec(spec)
                .optPrecision(Precision.BFLOAT16)
                .build();
        LmFixture.initialized(rounded, manager, 7, new Shape(1, 1));
        assertThat(rounded.precision()).isEqualTo(Precision.BFLOAT16);

        double[] logits =
                LmFixture.doubles(LmFixture.train(exact, tokens, labels).head());
        double[] close =
                LmFixture.doubles(LmFixture.train(rounded, tokens, labels).head());

        assertThat(close).isNotEqualTo(logits);
        assertThat(LmFixture.relativeDistance(close, logits)).isLessThan(0.03);
        Map<String, double[]> gradients = LmFixture.gradients(exact);
        LmFixture.gradients(rounded)
                .forEach((name, gradient) -> assertThat(LmFixture.relativeDistance(gradient, gradients.get(name)))
                        .as(name)
                        .isLessThan(0.1));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void infersWithPackedExperts(Precision precision) {
        ModelSpec spec = LmFixture.spec();
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        CausalLm model = LmFixture.model(spec, manager);
        double[] exact = LmFixture.doubles(LmFixture.infer(model, tokens).head());

        model.prepareForInference(precision);

        double[] close = LmFixture.doubles(LmFixture.infer(model, tokens).head());
        assertThat(LmFixture.relativeDistance(close, exact)).isLessThan(0.03);
        assertThatIllegalStateException()
                .isThrownBy(() -> LmFixture.train(model, tokens, LmFixture.labels(manager, LABELS)))
                .withMessageContaining("prepared for inference in " + precision);
    }

    @Test
    void packsAllLayersOrNone() {
        ModelSpec spec = LmFixture.spec();
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        CausalLm model = LmFixture.model(spec, manager);
        List<NDArray> downs = model.getParameters().stream()
                .filter(entry -> entry.getKey().endsWith("mlp_down")
                        && entry.getValue().getArray().getShape().dimension() == 3)
                .map(entry -> entry.getValue().getArray())
                .toList();
        assertThat(downs).hasSizeGreaterThan(1);
        downs.get(downs.size() - 1).set(new NDIndex(0, 0, 0), 1e6f);
        double[] before = LmFixture.doubles(LmFixture.infer(model, tokens).head());

        assertThatThrownBy(() -> model.prepareForInference(Precision.FLOAT16))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("down", "1000000", "BFLOAT16");

        assertThat(LmFixture.doubles(LmFixture.infer(model, tokens).head())).containsExactly(before);
        model.prepareForInference(Precision.BFLOAT16);
    }

    @Test
    void startsWithTheInitializerRange() {
        Engine.getInstance().setRandomSeed(11);
        ModelSpec spec = LmFixture.specBuilder().optInitializerRange(0.3).build();
        CausalLm model = CausalLm.builder().setSpec(spec).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(4, 16));
        for (Pair<String, Parameter> entry : model.getParameters()) {
            NDArray array = entry.getValue().getArray();
            if (entry.getValue().getType() == Parameter.Type.GAMMA) {
                assertThat(array.toFloatArray()).as(entry.getKey()).containsOnly(1);
            } else if (entry.getValue().getType() == Parameter.Type.BIAS) {
                assertThat(array.toFloatArray()).as(entry.getKey()).containsOnly(0);
            } else if (!entry.getKey().contains("03layers")) {
                // Factored experts choose their own; at the least 32 weights here, so that 0.15 is four standard
                // errors.
                double square = Arrays.stream(LmFixture.doubles(array))
                        .map(v -> v * v)
                        .average()
                        .orElseThrow();
                assertThat(Math.sqrt(square)).as(entry.getKey()).isCloseTo(0.3, within(0.15));
            }
        }
    }

    @Test
    void namesParametersAfterHuggingFace() {
        assertThat(CausalLm.builder()
                        .setSpec(LmFixture.spec())
                        .build()
                        .getParameters()
                        .keys())
                .contains(
                        "embed_tokens",
                        "lm_head",
                        "01layers_01input_layernorm_weight",
                        "01layers_02self_attn_q_proj",
                        "01layers_02self_attn_k_norm",
                        "01layers_03post_attention_layernorm_weight",
                        "01layers_04mlp_gate_up",
                        "01layers_04mlp_down",
                        "02layers_04mlp_router",
                        "03layers_04mlp_latent_in",
                        "04norm_weight")
                .noneMatch(name -> name.contains("."));
    }

    @Test
    void tellsTheShapeOfItsLogits() {
        CausalLm model = CausalLm.builder().setSpec(LmFixture.spec()).build();
        assertThat(model.getOutputShapes(new Shape[] {new Shape(3, 5)})).containsExactly(new Shape(3, 5, 11));
        assertThat(model.spec()).isEqualTo(LmFixture.spec());
        assertThat(model.layers()).hasSize(3);
        assertThat(model.layers().get(0).feedForward()).isInstanceOf(DenseFeedForward.class);
    }

    @Test
    void refusesATokenOutsideTheVocabularyWithItsPlace() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        NDArray tooLarge = manager.create(new long[] {0, 10, 3, 0, 11, 12}, new Shape(2, 3));
        assertThatThrownBy(() -> LmFixture.infer(model, tooLarge))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("token id 11 of sequence 1, position 1, is not in [0, vocabSize = 11)");
        NDArray negative = manager.create(new int[] {0, -1}, new Shape(1, 2));
        assertThatThrownBy(() -> model.forward(new ParameterStore(manager, false), new NDList(negative), true))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("token id -1 of sequence 0, position 1, is not in [0, vocabSize = 11)");
    }

    @Test
    void refusesTokensItCannotRead() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        assertThatThrownBy(() -> LmFixture.infer(model, manager.zeros(new Shape(1, 17), DataType.INT64)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("maxPositionEmbeddings = 16")
                .hasMessageContaining("(1, 17)");
        assertThatThrownBy(() -> LmFixture.infer(model, manager.zeros(new Shape(4), DataType.INT64)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[B, S]")
                .hasMessageContaining("(4)");
        assertThatThrownBy(() -> LmFixture.infer(model, manager.zeros(new Shape(1, 4))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("float32");
        assertThatThrownBy(() -> LmFixture.infer(model, manager.zeros(new Shape(1, 0), DataType.INT64)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least one token");
        assertThatThrownBy(() -> CausalLm.builder().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("setSpec");
    }

    @Test
    void leavesNothingBehindButItsResults() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        int parameters = manager.getManagedArrays().size();
        int constants = TorchArguments.absent().getManager().getManagedArrays().size();
        try (NDManager step = manager.newSubManager()) {
            NDArray tokens = LmFixture.tokens(step, LmFixture.TOKENS);
            NDList logits = LmFixture.infer(model, tokens);
            assertThat(step.getManagedArrays()).containsExactlyInAnyOrder(tokens, logits.head());
            NDList outputs = model.forward(new ParameterStore(step, false), new NDList(tokens), true);
            assertThat(step.getManagedArrays()).hasSize(2 + outputs.size());
        }
        assertThat(manager.getManagedArrays()).hasSize(parameters);
        assertThat(TorchArguments.absent().getManager().getManagedArrays()).hasSize(constants);
    }

    /** DJL leaves autograd on, on every thread but the one that started the engine. */
    @Test
    void buildsNoGraphInInferenceThoughAutogradIsOn() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        boolean before = JniUtils.isGradMode();
        JniUtils.setGradMode(true);
        try (KvCache cache = new KvCache(model.spec(), manager, 2, 6)) {
            assertNoGraph(LmFixture.infer(model, tokens).head());
            assertNoGraph(model.decode(new ParameterStore(manager, false), tokens, cache));
            assertThat(JniUtils.isGradMode()).isTrue();
        } finally {
            JniUtils.setGradMode(before);
        }
    }

    /** {@code hasGradient} tells of leaves only. */
    private static void assertNoGraph(NDArray result) {
        PtNDArray ones = (PtNDArray) result.onesLike();
        assertThatThrownBy(() -> JniUtils.backward((PtNDArray) result, ones, false, false))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("does not require grad");
    }

    @Test
    void infersOnFourThreadsAsOnOne() throws Exception {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        List<int[][]> batches = new ArrayList<>();
        List<float[]> expected = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            int[][] tokens = {{i, 10 - i, 3, i}, {i + 2, 1, i, 5}};
            batches.add(tokens);
            expected.add(inferred(model, tokens));
        }
        ExecutorService pool = Executors.newFixedThreadPool(4);
        try {
            List<Future<float[]>> results = new ArrayList<>();
            for (int i = 0; i < 80; i++) {
                int[][] tokens = batches.get(i % 8);
                Callable<float[]> task = () -> inferred(model, tokens);
                results.add(pool.submit(task));
            }
            for (int i = 0; i < 80; i++) {
                assertThat(results.get(i).get()).isEqualTo(expected.get(i % 8));
            }
        } finally {
            pool.shutdown();
        }
    }

    private static float[] inferred(CausalLm model, int[][] tokens) {
        try (NDManager own = NDManager.newBaseManager()) {
            return LmFixture.infer(model, LmFixture.tokens(own, tokens)).head().toFloatArray();
        }
    }

    @Test
    void comesBackFromAFileAsItWas(@TempDir Path directory) throws Exception {
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        ModelSpec spec = LmFixture.specBuilder().optTieWordEmbeddings(true).build();
        NDArray before = LmFixture.infer(save(spec, directory), tokens).head();
        try (Model loaded = Model.newInstance("lm")) {
            CausalLm block = CausalLm.builder().setSpec(spec).build();
            loaded.setBlock(block);
            loaded.load(directory);
            assertThat(LmFixture.infer(block, tokens).head()).isEqualTo(before);
        }
    }

    @Test
    void refusesTheFileOfAnotherModelAndShowsWhereTheyDiffer(@TempDir Path directory) throws Exception {
        save(LmFixture.spec(), directory);
        try (Model other = Model.newInstance("lm")) {
            ModelSpec changed = LmFixture.spec()
                    .mapMoe(moe -> moe.withLatent(LatentSpec.builder()
                            .setLatentSize(2)
                            .setGroupSize(2)
                            .build()));
            other.setBlock(CausalLm.builder().setSpec(changed).build());
            assertThatThrownBy(() -> other.load(directory))
                    .isInstanceOf(MalformedModelException.class)
                    .hasMessageContaining("another spec")
                    .hasMessageContaining("GATE=2");
        }
    }

    @Test
    void savesSpecsLongerThanWriteUtfCan(@TempDir Path directory) throws Exception {
        ModelSpec deep = LmFixture.specBuilder()
                .addLayers(200, LmFixture.spec().feedForwards().get(1))
                .build();
        assertThat(deep.toString().length()).isGreaterThan(65_535);
        save(deep, directory);
        try (Model loaded = Model.newInstance("lm")) {
            loaded.setBlock(CausalLm.builder().setSpec(deep).build());
            loaded.load(directory);
            assertThat(loaded.getBlock().getParameters().keys()).contains("203layers_04mlp_router");
        }
    }

    private CausalLm save(ModelSpec spec, Path directory) throws IOException {
        CausalLm block = LmFixture.model(spec, manager);
        try (Model model = Model.newInstance("lm")) {
            model.setBlock(block);
            model.save(directory, "lm");
        }
        return block;
    }
}
