package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.LoraSpec;
import ai.molae.djl.lm.LoraTarget;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FineTuningTest {

    private static final int VOCAB = 16;
    private static final int SEQUENCE = 16;
    private static final LoraSpec LORA = LoraSpec.builder()
            .setRank(4)
            .optAlpha(8)
            .setTargets(LoraTarget.ATTENTION, LoraTarget.EXPERTS, LoraTarget.SHARED_EXPERTS, LoraTarget.DENSE)
            .build();

    /** The modes, with the parameters that each is to train. */
    @SuppressWarnings("ImmutableEnumChecker") // neither changes
    enum Case {
        FULL(FineTuning.full(), path -> !path.endsWith("e_score_correction_bias")),
        EXPERTS_ONLY(
                FineTuning.expertsOnly(),
                path -> path.matches("0[23]layers_04mlp_(gate_up|gate|up|down|latent_in|latent_out)")),
        ROUTER_ONLY(FineTuning.routerOnly(), path -> path.endsWith("mlp_router")),
        LORA(FineTuning.lora(FineTuningTest.LORA), path -> path.matches(".*_lora_[ab]"));

        final FineTuning mode;
        final Predicate<String> trains;

        Case(FineTuning mode, Predicate<String> trains) {
            this.mode = mode;
            this.trains = trains;
        }
    }

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final PackedWindows before = new PackedWindows(text(2000, 3, 1), SEQUENCE, 3);
    private final PackedWindows train = new PackedWindows(text(2000, 5, 2), SEQUENCE, 3);
    private final PackedWindows validation = new PackedWindows(text(300, 5, 4), SEQUENCE, 3);

    @AfterEach
    void close() {
        manager.close();
    }

    /** Letters in a cycle of some stride, with noise. */
    private static int[] text(int length, int stride, long seed) {
        Random random = new Random(seed);
        int[] tokens = new int[length];
        for (int i = 1; i < length; i++) {
            tokens[i] = random.nextInt(10) == 0 ? random.nextInt(VOCAB) : (tokens[i - 1] + stride) % VOCAB;
        }
        return tokens;
    }

    private CausalLm model(ModelSpec spec, Precision precision) {
        Engine.getEngine("PyTorch").setRandomSeed(11);
        CausalLm model =
                CausalLm.builder().setSpec(spec).optPrecision(precision).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, SEQUENCE));
        return model;
    }

    /** A dense layer, one of experts with a correction bias and a shared expert, and one of MoLAE. */
    private static ModelSpec spec() {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(16)
                .setIntermediateSize(8)
                .setNumExperts(4)
                .setTopK(2)
                .optRouter(RouterSpec.builder().optAuxLossCoef(0.01).build())
                .build();
        return ModelSpec.builder()
                .setVocabSize(VOCAB)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(1, DenseSpec.swiglu(16, 12))
                .addLayers(
                        1,
                        moe.toBuilder()
                                .optRouter(RouterSpec.builder()
                                        .optScoreFunction(ScoreFunction.SIGMOID)
                                        .optCorrectionBias(true)
                                        .build())
                                .optSharedExpert(new SharedExpertSpec(8, true))
                                .build())
                .addLayers(
                        1,
                        moe.withLatent(LatentSpec.builder()
                                .setLatentSize(8)
                                .setGroupSize(2)
                                .build()))
                .optMaxPositionEmbeddings(SEQUENCE)
                .build();
    }

    private static TrainingConfig config(int steps) {
        return TrainingConfig.builder()
                .setSteps(steps)
                .setBatchSize(8)
                .optSchedule(LearningRateSchedule.constant(0.01))
                .optBiasUpdateSpeed(0)
                .build();
    }

    private LmTrainer.Builder trainer(CausalLm model, PackedWindows windows, int steps) {
        return LmTrainer.builder()
                .setModel(model)
                .setData(windows)
                .setConfig(config(steps))
                .optValidation(validation);
    }

    private void train(CausalLm model, PackedWindows windows, int steps) {
        try (LmTrainer trainer = trainer(model, windows, steps).build()) {
            trainer.train();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private double loss(CausalLm model) {
        try (LmTrainer trainer = trainer(model, train, 1).build()) {
            return trainer.evaluate().orElseThrow().loss();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Map<String, float[]> values(CausalLm model) {
        Map<String, float[]> values = new LinkedHashMap<>();
        model.getParameters()
                .forEach(entry ->
                        values.put(entry.getKey(), entry.getValue().getArray().toFloatArray()));
        return values;
    }

    private static boolean hasGradient(Parameter parameter) {
        try (PtNDArray gradient = JniUtils.getGradient((PtNDArray) parameter.getArray())) {
            return gradient != null;
        }
    }

    private void assertTrainsItsOwnOnly(CausalLm model, Case mode) {
        mode.mode.applyTo(model);
        model.getParameters().forEach(entry -> {
            boolean trains = mode.trains.test(entry.getKey());
            assertThat(entry.getValue().requiresGradient()).as(entry.getKey()).isEqualTo(trains);
            assertThat(entry.getValue().getArray().hasGradient())
                    .as(entry.getKey())
                    .isEqualTo(trains);
            assertThat(hasGradient(entry.getValue()) && !trains)
                    .as("old gradient of %s", entry.getKey())
                    .isFalse();
        });
        Map<String, float[]> start = values(model);

        train(model, train, 30);

        values(model).forEach((name, now) -> {
            if (mode.trains.test(name)) {
                assertThat(now).as(name).isNotEqualTo(start.get(name));
            } else {
                assertThat(now).as(name).containsExactly(start.get(name));
                assertThat(hasGradient(model.getParameters().get(name)))
                        .as("gradient of %s", name)
                        .isFalse();
            }
        });
    }

    // ---- training ----

    @ParameterizedTest
    @EnumSource(Case.class)
    void trainsItsParametersAndLeavesEveryBitOfTheOthers(Case mode) {
        CausalLm model = model(spec(), Precision.FLOAT32);
        train(model, before, 20);
        double first = loss(model);
        assertTrainsItsOwnOnly(model, mode);
        assertThat(loss(model)).isLessThan(first - 0.02);
    }

    @Test
    void trainsAdaptersWithBfloat16ProductsToo() {
        CausalLm model = model(spec(), Precision.BFLOAT16);
        train(model, before, 20);
        double first = loss(model);
        assertTrainsItsOwnOnly(model, Case.LORA);
        assertThat(loss(model)).isLessThan(first - 0.02);
    }

    @Test
    void whatAdaptersLearnedStaysWhenMerged() {
        CausalLm model = model(spec(), Precision.FLOAT32);
        train(model, before, 20);
        FineTuning.lora(LORA).applyTo(model);
        train(model, train, 20);
        double adapted = loss(model);

        model.mergeLora();

        assertThat(loss(model)).isCloseTo(adapted, within(1e-4));
        train(model, train, 1);
    }

    @Test
    void anotherModeTakesThePlaceOfTheFirst() {
        CausalLm model = model(spec(), Precision.FLOAT32);
        train(model, before, 5);
        assertTrainsItsOwnOnly(model, Case.EXPERTS_ONLY);
        assertTrainsItsOwnOnly(model, Case.ROUTER_ONLY);
        assertTrainsItsOwnOnly(model, Case.FULL);
    }

    // ---- memory ----

    @ParameterizedTest
    @EnumSource(Case.class)
    void theOptimizerHoldsStateOfWhatTrainsOnly(Case mode) {
        CausalLm model = model(spec(), Precision.FLOAT32);
        mode.mode.applyTo(model);
        long trained = model.getParameters().keys().stream().filter(mode.trains).count();
        int arrays = manager.getManagedArrays().size();
        try (Optimizer optimizer =
                Optimizers.of(manager, model, AdamWSpec.builder().build())) {
            // Two moments of each, and the number of steps.
            assertThat(manager.getManagedArrays().size() - arrays).isEqualTo((int) (2 * trained + 1));
            assertThat(optimizer.state()).hasSize((int) (2 * trained + 1));
        }
    }

    /** 50 MB of experts: their gradients and two moments are 150 MB; some 10 MB of what is counted belong to the JVM's compiler. */
    @Test
    void gradientsAndStateOfWhatIsFrozenTakeNoMemory() {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        ModelSpec large = ModelSpec.builder()
                .setVocabSize(VOCAB)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(
                        1,
                        MoeSpec.builder()
                                .setHiddenSize(64)
                                .setIntermediateSize(1024)
                                .setNumExperts(64)
                                .setTopK(2)
                                .build())
                .optMaxPositionEmbeddings(SEQUENCE)
                .build();
        LoraSpec thin = LoraSpec.builder()
                .setRank(2)
                .setTargets(LoraTarget.ATTENTION, LoraTarget.EXPERTS)
                .build();
        CausalLm model = model(large, Precision.FLOAT32);
        train(model, train, 1); // kernels, and gradients of everything
        FineTuning.routerOnly().applyTo(model);

        assertThat(heldByTraining(model, FineTuning.routerOnly())).isLessThan(40_000_000);
        assertThat(heldByTraining(model, FineTuning.full())).isGreaterThan(130_000_000);
        // The moments are closed with the trainer, the gradients with the mode.
        assertThat(heldByTraining(model, FineTuning.lora(thin))).isLessThan(40_000_000);
        model.removeLora();
        assertThat(heldByTraining(model, FineTuning.expertsOnly())).isGreaterThan(130_000_000);
        assertThat(heldByTraining(model, FineTuning.routerOnly())).isLessThan(40_000_000);
    }

    /** Bytes that the model and a trainer hold after a step, beyond those of the model with everything frozen but the router. */
    private long heldByTraining(CausalLm model, FineTuning mode) {
        FineTuning.routerOnly().applyTo(model);
        long start = NativeMemory.inUse().orElseThrow();
        mode.applyTo(model);
        long[] held = new long[1];
        LmTrainingListener listener = new LmTrainingListener() {
            @Override
            public void onStep(Step step) {
                held[0] = NativeMemory.inUse().orElseThrow() - start;
            }
        };
        try (LmTrainer trainer = trainer(model, train, 2).optListener(listener).build()) {
            trainer.train();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return held[0];
    }

    // ---- refusals ----

    @Test
    void unmergedAdaptersAreNeitherForgottenNorTrainedAlong() {
        CausalLm model = model(spec(), Precision.FLOAT32);
        FineTuning.lora(LORA).applyTo(model);
        assertThatThrownBy(() -> FineTuning.full().applyTo(model))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining(model.numAdapters() + " un-merged adapters; mergeLora()");
        model.removeLora();
        FineTuning.full().applyTo(model);
    }

    @Test
    void aModelWithoutExpertsHasNeitherExpertsNorRouterToTrain() {
        CausalLm dense = model(
                ModelSpec.builder()
                        .setVocabSize(VOCAB)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(2, DenseSpec.swiglu(16, 12))
                        .optMaxPositionEmbeddings(SEQUENCE)
                        .build(),
                Precision.FLOAT32);
        assertThatThrownBy(() -> FineTuning.routerOnly().applyTo(dense))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("ROUTER_ONLY has nothing to train: none of the 2 layers");
        assertThat(dense.getParameters().values()).allMatch(Parameter::requiresGradient);
    }

    @Test
    void aModelThatCannotTrainIsRefused() {
        assertThatThrownBy(() -> FineTuning.full()
                        .applyTo(CausalLm.builder().setSpec(spec()).build()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("initialise or load");
        CausalLm packed = model(spec(), Precision.FLOAT32);
        packed.prepareForInference(Precision.FLOAT32);
        assertThatThrownBy(() -> FineTuning.expertsOnly().applyTo(packed))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("cannot be trained");
        assertThatThrownBy(() -> new FineTuning(FineTuning.Mode.LORA, Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("LORA needs a LoraSpec");
        assertThatThrownBy(() -> new FineTuning(FineTuning.Mode.FULL, Optional.of(LORA)))
                .hasMessageContaining("FULL has no adapters");
    }
}
