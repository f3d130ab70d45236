package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LmTrainerTest {

    private static final int VOCAB = 16;
    private static final int SEQUENCE = 16;
    private static final long STEP_TOKENS = 8L * SEQUENCE;
    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(16)
            .setIntermediateSize(8)
            .setNumExperts(4)
            .setTopK(2)
            .optRouter(RouterSpec.builder().optAuxLossCoef(0.01).build())
            .build();
    private static final MoeSpec MOLAE =
            MOE.withLatent(LatentSpec.builder().setLatentSize(8).setGroupSize(2).build());

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final PackedWindows train = new PackedWindows(text(4000, 1), SEQUENCE, 3);
    private final PackedWindows validation = new PackedWindows(text(500, 2), SEQUENCE, 3);

    @AfterEach
    void close() {
        manager.close();
    }

    /** Letters in a cycle with some noise: uniform letter frequencies, hence unigram entropy ln 16 = 2.77, but predictable. */
    private static int[] text(int length, long seed) {
        Random random = new Random(seed);
        int[] tokens = new int[length];
        for (int i = 1; i < length; i++) {
            tokens[i] = random.nextInt(10) == 0 ? random.nextInt(VOCAB) : (tokens[i - 1] + 3) % VOCAB;
        }
        return tokens;
    }

    private CausalLm model(MoeSpec moe, Precision precision) {
        Engine.getEngine("PyTorch").setRandomSeed(11);
        CausalLm model = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(VOCAB)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(2, moe)
                        .optMaxPositionEmbeddings(SEQUENCE)
                        .build())
                .optPrecision(precision)
                .build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, SEQUENCE));
        return model;
    }

    private static TrainingConfig.Builder config(int steps) {
        return TrainingConfig.builder()
                .setSteps(steps)
                .setBatchSize(8)
                .optSchedule(LearningRateSchedule.warmupCosine(
                        0.01, 0.001, STEP_TOKENS * Math.min(5, steps), STEP_TOKENS * steps));
    }

    private Recorder train(CausalLm model, TrainingConfig config) {
        Recorder recorder = new Recorder();
        try (LmTrainer trainer = new LmTrainer(manager, model, config)) {
            trainer.train(train, validation, recorder);
        }
        return recorder;
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "BFLOAT16"})
    void learnsFarBelowTheUnigramEntropyInEitherPrecision(Precision precision) {
        Recorder recorder = train(model(MOLAE, precision), config(150).build());

        assertThat(recorder.steps.get(0).loss()).isCloseTo(Math.log(VOCAB), within(0.05));
        assertThat(recorder.evaluations).hasSize(1);
        assertThat(recorder.evaluations.get(0).loss()).isLessThan(1.2);
    }

    @Test
    void givesTheSameLossesForTheSameSeed() {
        List<Double> first =
                train(model(MOLAE, Precision.FLOAT32), config(12).build()).losses();

        assertThat(train(model(MOLAE, Precision.FLOAT32), config(12).build()).losses())
                .isEqualTo(first);
    }

    @Test
    void accumulatesGradientsToThoseOfOneLargeBatch() {
        MoeSpec withoutAux =
                MOE.toBuilder().optRouter(RouterSpec.builder().build()).build();
        Recorder large = train(model(withoutAux, Precision.FLOAT32), config(6).build());
        Recorder small = train(
                model(withoutAux, Precision.FLOAT32),
                config(6).setBatchSize(2).optGradientAccumulation(4).build());

        for (int i = 0; i < 6; i++) {
            assertThat(small.steps.get(i).loss()).isCloseTo(large.steps.get(i).loss(), within(1e-5));
            assertThat(small.steps.get(i).gradientNorm())
                    .isCloseTo(large.steps.get(i).gradientNorm(), within(1e-4));
        }
        assertThat(small.steps.get(5).tokens()).isEqualTo(6 * 8 * SEQUENCE);
        assertThat(small.evaluations.get(0).loss())
                .isCloseTo(large.evaluations.get(0).loss(), within(1e-4));
    }

    @Test
    void tellsTheListenerWhatAStepDid() {
        Recorder recorder = train(
                model(MOE, Precision.FLOAT32), config(10).optEvaluation(4, 2).build());

        LmTrainingListener.Step step = recorder.steps.get(2);
        assertThat(step.step()).isEqualTo(3);
        assertThat(step.steps()).isEqualTo(10);
        assertThat(step.learningRate()).isCloseTo(0.01 * 3 / 5, within(1e-12));
        assertThat(step.tokens()).isEqualTo(3 * 8 * SEQUENCE);
        assertThat(step.auxLoss()).isBetween(2 * 0.01 * 1.9, 2 * 0.01 * 4.0);
        assertThat(step.load()).hasSize(2).allMatch(load -> load.total() == 8 * SEQUENCE * 2);
        assertThat(step.tokensPerSecond()).isPositive();
        assertThat(recorder.evaluations)
                .extracting(LmTrainingListener.Evaluation::step)
                .containsExactly(4L, 8L, 10L);
        assertThat(recorder.evaluations).allMatch(e -> e.tokens() == 2 * 8 * SEQUENCE);
    }

    @Test
    void evaluatesTheWholeValidationTextUnlessLimited() {
        Recorder recorder = train(model(MOE, Precision.FLOAT32), config(1).build());

        assertThat(recorder.evaluations.get(0).tokens()).isEqualTo((long) validation.size() * SEQUENCE);
    }

    @Test
    void endsAfterTheStepInWhichItIsStopped() {
        Recorder recorder = new Recorder();
        try (LmTrainer trainer =
                new LmTrainer(manager, model(MOE, Precision.FLOAT32), config(10).build())) {
            recorder.onStep = step -> {
                if (step == 3) {
                    trainer.stop();
                }
            };
            trainer.train(train, validation, recorder);
        }
        assertThat(recorder.steps).hasSize(3);
        assertThat(recorder.evaluations).isEmpty();
    }

    @Test
    void saysAtWhichStepTrainingDiverged() {
        CausalLm model = model(MOE, Precision.FLOAT32);
        TrainingConfig wild = TrainingConfig.builder()
                .setSteps(50)
                .setBatchSize(2)
                .optSchedule(LearningRateSchedule.constant(1e30))
                .build();

        assertThatThrownBy(() -> train(model, wild))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageMatching("training diverged at step \\d+: loss .*lower the learning rate.*");
    }

    /**
     * Arrays of one step hold over a megabyte, so that 280 leaked steps would be some 300 MB. The tolerance is for the JVM's compiler,
     * which allocates from the same heap; the count of managed arrays has none.
     */
    @Test
    void holdsAsMuchNativeMemoryAfter300StepsAsAfter20() {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        long[] inUse = new long[2];
        int[] arrays = new int[2];
        Recorder recorder = new Recorder();
        recorder.onStep = step -> {
            if (step == 20 || step == 300) {
                inUse[step == 20 ? 0 : 1] = NativeMemory.inUse().orElse(0);
                arrays[step == 20 ? 0 : 1] = manager.getManagedArrays().size();
            }
        };
        try (LmTrainer trainer = new LmTrainer(
                manager, model(MOLAE, Precision.FLOAT32), config(300).build())) {
            trainer.train(train, validation, recorder);
        }
        assertThat(arrays[1]).isEqualTo(arrays[0]);
        assertThat(inUse[1] - inUse[0]).isBetween(-40_000_000L, 40_000_000L);
    }

    @Test
    void namesTheSettingItRefuses() {
        assertThatThrownBy(() -> config(1).setSteps(0).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("steps must be at least 1, got 0");
        assertThatThrownBy(() -> config(1).setBatchSize(0).build()).hasMessageContaining("batchSize");
        assertThatThrownBy(() -> config(1).optGradientAccumulation(0).build())
                .hasMessageContaining("gradientAccumulation");
        assertThatThrownBy(() -> config(1).optMaxGradientNorm(Double.NaN).build())
                .hasMessageContaining("maxGradientNorm must be at least 0, got NaN");
        assertThatThrownBy(() -> config(1).optEvaluation(-1, 0).build()).hasMessageContaining("evaluateEvery");
        assertThatThrownBy(() -> config(1).optEvaluation(0, -1).build()).hasMessageContaining("evaluationBatches");
    }

    private static final class Recorder implements LmTrainingListener {
        private final List<Step> steps = new ArrayList<>();
        private final List<Evaluation> evaluations = new ArrayList<>();
        private LongConsumer onStep = step -> {};

        @Override
        public void onStep(Step step) {
            steps.add(step);
            onStep.accept(step.step());
        }

        @Override
        public void onEvaluation(Evaluation evaluation) {
            evaluations.add(evaluation);
        }

        private List<Double> losses() {
            return steps.stream().map(Step::loss).toList();
        }
    }
}
