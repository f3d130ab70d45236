package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.SequentialBlock;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.AdapterReference;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.AttentionSpec;
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
import ai.molae.spec.SharedExpertSpec;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LoraTest {

    private static final int[][] LABELS = {{1, 4, 1, 5, 9, -100}, {6, 5, 3, 5, 8, 0}};
    private static final int RANK = 2;
    private static final double SCALE = 1.5;

    /** Models that together have every target. */
    @SuppressWarnings("ImmutableEnumChecker") // specs are immutable
    enum Form {
        GROUPED(
                new GroupedQueryAttentionSpec(4, 2, 6, 100, true, QkNorm.PER_HEAD),
                EnumSet.of(LoraTarget.ATTENTION, LoraTarget.EXPERTS, LoraTarget.DENSE),
                DenseSpec.swiglu(8, 7),
                moe().build(),
                moe().optLatent(latent().build()).build()),
        SHARED(
                GroupedQueryAttentionSpec.of(2, 1, 4),
                EnumSet.of(LoraTarget.ATTENTION, LoraTarget.EXPERTS, LoraTarget.SHARED_EXPERTS),
                moe().optSharedExpert(new SharedExpertSpec(5, true)).build(),
                moe().optGated(false)
                        .optSharedExpert(new SharedExpertSpec(5, false))
                        .build(),
                moe().optLatent(latent().optTiedGateUp(true).build()).build()),
        LATENT(
                new LatentAttentionSpec(3, 0, 5, 4, 2, 6, 100),
                EnumSet.of(LoraTarget.ATTENTION, LoraTarget.EXPERTS),
                moe().setNumExperts(24).setTopK(1).build(),
                moe().optLatent(latent().optFactored(ExpertOperator.DOWN).build())
                        .build()),
        LATENT_QUERIES(
                new LatentAttentionSpec(3, 5, 4, 4, 2, 6, 100),
                EnumSet.of(LoraTarget.ATTENTION, LoraTarget.EXPERTS),
                moe().optLatent(latent().optFactored(ExpertOperator.UP).build()).build());

        final ModelSpec spec;
        final Set<LoraTarget> all;

        Form(AttentionSpec attention, Set<LoraTarget> all, FeedForwardSpec... feedForwards) {
            ModelSpec.Builder builder = ModelSpec.builder()
                    .setVocabSize(LmFixture.VOCAB)
                    .setAttention(attention)
                    .optMaxPositionEmbeddings(16);
            for (FeedForwardSpec feedForward : feedForwards) {
                builder.addLayers(1, feedForward);
            }
            this.spec = builder.build();
            this.all = all;
        }

        private static MoeSpec.Builder moe() {
            return MoeSpec.builder()
                    .setHiddenSize(8)
                    .setIntermediateSize(5)
                    .setNumExperts(4)
                    .setTopK(2)
                    .optRouter(RouterSpec.builder().optAuxLossCoef(0.1).build());
        }

        private static LatentSpec.Builder latent() {
            return LatentSpec.builder().setLatentSize(3).setGroupSize(2);
        }

        LoraSpec lora() {
            return lora(all);
        }

        static LoraSpec lora(Set<LoraTarget> targets) {
            return new LoraSpec(RANK, RANK * SCALE, targets);
        }
    }

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private NDArray tokens() {
        return LmFixture.tokens(manager, LmFixture.TOKENS);
    }

    /** The model with adapters that are not zero. */
    private CausalLm adapted(Form form, LoraSpec lora) {
        CausalLm model = LmFixture.model(form.spec, manager);
        model.addLora(lora);
        AdapterReference.randomize(model, 0.5, 3);
        return model;
    }

    /** A model without adapters whose weights are W + s B A. */
    private CausalLm twin(CausalLm model) {
        CausalLm twin = CausalLm.builder().setSpec(model.spec()).build();
        twin.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        AdapterReference.set(twin, AdapterReference.effective(model, SCALE));
        return twin;
    }

    private static void assertClose(NDArray actual, NDArray expected) {
        assertThat(actual.toFloatArray()).containsExactly(expected.toFloatArray(), within(2e-4f));
    }

    // ---- forward ----

    @ParameterizedTest
    @EnumSource(Form.class)
    void atFirstAdaptersChangeNoBit(Form form) {
        CausalLm model = LmFixture.model(form.spec, manager);
        float[] before = LmFixture.infer(model, tokens()).head().toFloatArray();

        model.addLora(form.lora());

        assertThat(LmFixture.infer(model, tokens()).head().toFloatArray()).containsExactly(before);
        assertThat(model.numAdapters()).isPositive();
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void anAdapterOfEachTargetIsAsIfAddedToItsMatrix(Form form) {
        Set<LoraTarget> tried = EnumSet.noneOf(LoraTarget.class);
        float[] base = LmFixture.infer(LmFixture.model(form.spec, manager), tokens())
                .head()
                .toFloatArray();
        for (LoraTarget target : LoraTarget.values()) {
            CausalLm model = LmFixture.model(form.spec, manager);
            try {
                model.addLora(Form.lora(Set.of(target)));
            } catch (IllegalArgumentException absent) {
                continue;
            }
            AdapterReference.randomize(model, 0.5, 3);
            tried.add(target);
            NDArray logits = LmFixture.infer(model, tokens()).head();
            assertClose(logits, LmFixture.infer(twin(model), tokens()).head());
            assertThat(logits.toFloatArray()).as("%s", target).isNotEqualTo(base);
        }
        assertThat(tried).containsAll(form.all);
    }

    @Test
    void theFormsHaveEveryTarget() {
        Set<LoraTarget> tried = EnumSet.noneOf(LoraTarget.class);
        for (Form form : Form.values()) {
            for (LoraTarget target : LoraTarget.values()) {
                CausalLm model = LmFixture.model(form.spec, manager);
                try {
                    model.addLora(Form.lora(Set.of(target)));
                    tried.add(target);
                } catch (IllegalArgumentException absent) {
                    assertThat(absent).hasMessageContaining(target.toString());
                }
            }
        }
        assertThat(tried).containsExactlyInAnyOrder(LoraTarget.values());
    }

    @Test
    void equalsTheReferenceInDouble() {
        CausalLm model = adapted(Form.GROUPED, Form.GROUPED.lora());
        double[][][] expected = new ReferenceLm(Form.GROUPED.spec, AdapterReference.effective(model, SCALE))
                .forward(LmFixture.TOKENS)
                .logits();

        double[] logits = LmFixture.doubles(LmFixture.infer(model, tokens()).head());

        assertThat(logits).containsExactly(LmFixture.flat(expected), within(2e-4));
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void decodesWithACacheAsWithout(Form form) {
        CausalLm model = adapted(form, form.lora());
        NDArray tokens = tokens();
        NDArray expected = LmFixture.infer(model, tokens).head();
        ParameterStore store = new ParameterStore(manager, false);
        try (KvCache cache = new KvCache(form.spec, manager, 2, 6)) {
            assertClose(
                    model.decode(store, tokens.get(new NDIndex(":, :3")), cache), expected.get(new NDIndex(":, 2")));
            for (int i = 3; i < 6; i++) {
                NDArray next = tokens.get(new NDIndex(":, {}:{}", i, i + 1));
                assertClose(model.decode(store, next, cache), expected.get(new NDIndex(":, {}", i)));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void bfloat16AddsRoundingOnly(Form form) {
        CausalLm model = CausalLm.builder()
                .setSpec(form.spec)
                .optPrecision(Precision.BFLOAT16)
                .build();
        // Small weights, so that rounding turns no token to another expert.
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        model.addLora(form.lora());
        AdapterReference.randomize(model, 0.1, 3);
        NDArray logits = LmFixture.infer(model, tokens()).head();
        float[] expected = LmFixture.infer(twin(model), tokens()).head().toFloatArray();
        assertThat(logits.toFloatArray()).containsExactly(expected, within(0.02f));
    }

    // ---- gradients ----

    private static Map<String, double[]> train(
            CausalLm model, NDArray tokens, NDArray labels, Supplier<GradientCollector> collectors, boolean adapters) {
        try (GradientCollector collector = collectors.get()) {
            NDList outputs = model.forward(new ParameterStore(tokens.getManager(), false), new NDList(tokens), true);
            collector.backward(new CausalLmLoss().evaluate(new NDList(labels), outputs));
        }
        Map<String, double[]> gradients = new LinkedHashMap<>();
        model.getParameters().forEach(entry -> {
            if (AdapterReference.isAdapter(entry.getKey()) == adapters) {
                try (NDArray gradient = entry.getValue().getArray().getGradient()) {
                    gradients.put(entry.getKey(), LmFixture.doubles(gradient));
                }
            }
        });
        return gradients;
    }

    @ParameterizedTest
    @EnumSource(Form.class)
    void gradientsAreThoseOfTheDenseFormulation(Form form) {
        NDArray labels = LmFixture.labels(manager, LABELS);
        CausalLm model = adapted(form, form.lora());
        Map<String, double[]> ofMatrices =
                train(twin(model), tokens(), labels, Engine.getInstance()::newGradientCollector, false);
        Map<String, double[]> expected = AdapterReference.gradients(model, ofMatrices, SCALE);
        List<Supplier<GradientCollector>> collectors =
                List.of(Engine.getInstance()::newGradientCollector, GradientTape::new);
        for (Supplier<GradientCollector> collector : collectors) {
            CausalLm fresh = adapted(form, form.lora());
            Map<String, double[]> actual = train(fresh, tokens(), labels, collector, true);
            assertThat(actual).containsOnlyKeys(expected.keySet());
            expected.forEach(
                    (name, gradient) -> assertThat(actual.get(name)).as(name).containsExactly(gradient, within(1e-4)));
            assertThat(fresh.getParameters().stream()
                            .filter(entry -> !AdapterReference.isAdapter(entry.getKey()))
                            .filter(entry -> entry.getValue().requiresGradient()
                                    || entry.getValue().getArray().hasGradient()))
                    .isEmpty();
        }
    }

    @Test
    void anExpertWithoutTokensGetsGradientsOfZero() {
        CausalLm model = adapted(Form.LATENT, Form.LATENT.lora());
        NDArray tokens = tokens();
        long[] load = model.forward(new ParameterStore(manager, false), new NDList(tokens), true)
                .get(2)
                .toLongArray();
        double[] gradient = train(model, tokens, LmFixture.labels(manager, LABELS), GradientTape::new, true)
                .get("01layers_04mlp_down_lora_b");
        int size = gradient.length / load.length;
        int empty = 0;
        for (int e = 0; e < load.length; e++) {
            boolean zero = Arrays.stream(gradient, e * size, (e + 1) * size).allMatch(v -> v == 0);
            assertThat(zero).as("expert %s of load %s", e, load[e]).isEqualTo(load[e] == 0);
            empty += load[e] == 0 ? 1 : 0;
        }
        assertThat(empty).isPositive();
    }

    // ---- merging ----

    @ParameterizedTest
    @EnumSource(Form.class)
    void mergingChangesNothingButRounding(Form form) {
        CausalLm model = adapted(form, form.lora());
        NDArray before = LmFixture.infer(model, tokens()).head();
        Map<String, double[]> expected = AdapterReference.effective(model, SCALE);
        int arrays = manager.getManagedArrays().size();
        int adapters = model.numAdapters();

        model.mergeLora();

        assertClose(LmFixture.infer(model, tokens()).head(), before);
        Map<String, double[]> merged = LmFixture.values(model);
        assertThat(merged).containsOnlyKeys(expected.keySet());
        expected.forEach((name, values) -> assertThat(merged.get(name)).as(name).containsExactly(values, within(1e-6)));
        assertThat(model.numAdapters()).isZero();
        assertThat(model.getParameters().values())
                .allMatch(parameter ->
                        parameter.requiresGradient() || parameter.getName().equals("e_score_correction_bias"));
        // Two matrices per adapter are freed; every block had a scale as well. The logits, their tokens and labels are
        // new.
        assertThat(manager.getManagedArrays().size()).isLessThanOrEqualTo(arrays - 2 * adapters + 4);
    }

    @Test
    void afterMergingItCanBePrepared() {
        CausalLm model = adapted(Form.SHARED, Form.SHARED.lora());
        NDArray before = LmFixture.infer(model, tokens()).head();
        model.mergeLora();
        model.prepareForInference(Precision.FLOAT32);
        assertClose(LmFixture.infer(model, tokens()).head(), before);
    }

    @Test
    void removingGoesBackToTheBaseModel() {
        CausalLm model = LmFixture.model(Form.SHARED.spec, manager);
        Set<String> names = new TreeSet<>(model.getParameters().keys());
        float[] before = LmFixture.infer(model, tokens()).head().toFloatArray();
        model.addLora(Form.SHARED.lora());
        AdapterReference.randomize(model, 0.5, 3);

        model.removeLora();

        assertThat(LmFixture.infer(model, tokens()).head().toFloatArray()).containsExactly(before);
        assertThat(new TreeSet<>(model.getParameters().keys())).isEqualTo(names);
        model.addLora(Form.lora(Set.of(LoraTarget.Q_PROJ)));
        assertThat(model.numAdapters()).isEqualTo(3);
    }

    // ---- refusals ----

    @Test
    void adaptersAreMergedBeforeSavingLoadingAndPreparing() {
        CausalLm model = adapted(Form.GROUPED, Form.GROUPED.lora());
        assertThatThrownBy(() -> model.saveParameters(new DataOutputStream(OutputStream.nullOutputStream())))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageMatching(
                        "cannot save: \\d+ weights of this CausalLm have adapters .*; merge them .* before.*");
        assertThatThrownBy(() -> model.loadParameters(manager, new DataInputStream(InputStream.nullInputStream())))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("cannot load");
        assertThatThrownBy(() -> model.prepareForInference(Precision.BFLOAT16))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("cannot prepare for inference")
                .hasMessageContaining("merge them into the weights before");
    }

    @Test
    void aLoadedModelIsAdaptedMergedAndSavedAgain(@TempDir Path folder) throws IOException, MalformedModelException {
        CausalLm base = LmFixture.model(Form.SHARED.spec, manager);
        save(base, folder, "base");
        NDArray before = LmFixture.infer(base, tokens()).head();
        NDArray adapted;
        try (Model model = load(folder, "base")) {
            CausalLm loaded = (CausalLm) model.getBlock();
            assertThat(loaded.getParameters().values())
                    .noneMatch(parameter -> parameter.getArray().hasGradient());
            loaded.addLora(Form.SHARED.lora());
            assertThat(LmFixture.infer(loaded, tokens()).head().toFloatArray()).containsExactly(before.toFloatArray());
            AdapterReference.randomize(loaded, 0.5, 3);
            adapted = LmFixture.infer(loaded, tokens()).head();
            loaded.mergeLora();
            save(loaded, folder, "merged");
        }
        try (Model model = load(folder, "merged")) {
            assertClose(LmFixture.infer(model.getBlock(), tokens()).head(), adapted);
        }
    }

    private static void save(CausalLm block, Path folder, String name) throws IOException {
        try (Model model = Model.newInstance(name, "PyTorch")) {
            model.setBlock(block);
            model.save(folder, name);
            // A model closes the block that it has.
            model.setBlock(new SequentialBlock());
        }
    }

    private static Model load(Path folder, String name) throws IOException, MalformedModelException {
        Model model = Model.newInstance(name, "PyTorch");
        model.setBlock(CausalLm.builder().setSpec(Form.SHARED.spec).build());
        model.load(folder, name);
        return model;
    }

    @Test
    void anyNumberOfThreadsMayInferAtOnce() throws Exception {
        CausalLm model = adapted(Form.GROUPED, Form.GROUPED.lora());
        float[] expected = LmFixture.infer(model, tokens()).head().toFloatArray();
        int arrays = manager.getManagedArrays().size();
        Callable<Boolean> infer = () -> {
            boolean equal = true;
            for (int i = 0; i < 25; i++) {
                try (NDManager own = NDManager.newBaseManager()) {
                    NDArray tokens = LmFixture.tokens(own, LmFixture.TOKENS);
                    equal &= Arrays.equals(LmFixture.infer(model, tokens).head().toFloatArray(), expected);
                }
            }
            return equal;
        };
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            for (Future<Boolean> equal : threads.invokeAll(List.of(infer, infer, infer, infer))) {
                assertThat(equal.get()).isTrue();
            }
        } finally {
            threads.shutdownNow();
        }
        assertThat(manager.getManagedArrays()).hasSize(arrays);
    }

    @Test
    void secondsAreRefused() {
        CausalLm model = LmFixture.model(Form.GROUPED.spec, manager);
        LoraSpec lora = Form.GROUPED.lora();
        assertThatThrownBy(model::mergeLora)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("no adapters to merge");
        model.addLora(lora);
        assertThatThrownBy(() -> model.addLora(lora))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("has " + model.numAdapters() + " adapters already");
        model.mergeLora();
        assertThatThrownBy(model::mergeLora).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(model::removeLora).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aTargetTheModelLacksIsRefusedAndNothingChanged() {
        CausalLm model = LmFixture.model(Form.GROUPED.spec, manager);
        LoraSpec lora = Form.lora(EnumSet.of(LoraTarget.Q_PROJ, LoraTarget.KV_B_PROJ, LoraTarget.SHARED_EXPERTS));
        assertThatThrownBy(() -> model.addLora(lora))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[kv_b_proj, shared_experts], which no layer of this model has")
                .hasMessageContaining("gate_up");
        assertThat(model.numAdapters()).isZero();
        assertThat(model.getParameters().values()).allMatch(parameter -> parameter.requiresGradient());
    }

    @Test
    void aModelWithoutValuesOrPackedIsRefused() {
        CausalLm empty = CausalLm.builder().setSpec(Form.GROUPED.spec).build();
        assertThatThrownBy(() -> empty.addLora(Form.GROUPED.lora())).hasMessageContaining("initialise or load");
        CausalLm packed = LmFixture.model(Form.GROUPED.spec, manager);
        packed.prepareForInference(Precision.FLOAT32);
        assertThatThrownBy(() -> packed.addLora(Form.GROUPED.lora()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("prepared for inference");
    }

    @Test
    void aSpecSaysWhatIsWrongWithIt() {
        assertThatThrownBy(
                        () -> LoraSpec.builder().setTargets(LoraTarget.Q_PROJ).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("rank of LoRA must be at least 1, got 0");
        assertThatThrownBy(() -> new LoraSpec(2, -1, Set.of(LoraTarget.EXPERTS)))
                .hasMessageContaining("got -1");
        assertThatThrownBy(() -> new LoraSpec(2, Double.POSITIVE_INFINITY, Set.of(LoraTarget.EXPERTS)))
                .hasMessageContaining("finite");
        assertThatThrownBy(() -> LoraSpec.builder().setRank(2).build()).hasMessageContaining("at least one target");
        assertThatThrownBy(() -> LoraTarget.of("router"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"router\", only for [attention, q_proj");
        assertThat(LoraTarget.of(" KV_B_proj ")).isEqualTo(LoraTarget.KV_B_PROJ);
        assertThat(LoraSpec.builder()
                        .setRank(4)
                        .setTargets(LoraTarget.DOWN)
                        .build()
                        .alpha())
                .isEqualTo(4);
    }
}
