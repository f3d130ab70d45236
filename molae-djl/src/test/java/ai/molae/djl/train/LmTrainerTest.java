package ai.molae.djl.train;

import static ai.molae.djl.train.SmallRun.MOE;
import static ai.molae.djl.train.SmallRun.MOLAE;
import static ai.molae.djl.train.SmallRun.SEQUENCE;
import static ai.molae.djl.train.SmallRun.VOCAB;
import static ai.molae.djl.train.SmallRun.config;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.SmallRun.Recorder;
import ai.molae.route.BalanceLoss;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LmTrainerTest {

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm model(MoeSpec moe, Precision precision) {
        return SmallRun.model(manager, moe, precision);
    }

    private static LmTrainer trainer(CausalLm model, TrainingData data, TrainingConfig config, Recorder recorder)
            throws IOException {
        return LmTrainer.builder()
                .setModel(model)
                .setData(data)
                .setConfig(config)
                .optValidation(SmallRun.validation())
                .optListener(recorder)
                .build();
    }

    private Recorder train(CausalLm model, TrainingConfig config) throws IOException {
        return train(model, SmallRun.data(), config);
    }

    private static Recorder train(CausalLm model, TrainingData data, TrainingConfig config) throws IOException {
        Recorder recorder = new Recorder();
        try (LmTrainer trainer = trainer(model, data, config, recorder)) {
            trainer.train();
        }
        return recorder;
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "BFLOAT16"})
    void learnsFarBelowTheUnigramEntropyInEitherPrecision(Precision precision) throws IOException {
        Recorder recorder = train(model(MOLAE, precision), config(150).build());

        assertThat(recorder.steps.get(0).loss()).isCloseTo(Math.log(VOCAB), within(0.05));
        assertThat(recorder.evaluations).hasSize(1);
        assertThat(recorder.evaluations.get(0).loss()).isLessThan(1.2);
    }

    @Test
    void givesTheSameLossesForTheSameSeed() throws IOException {
        List<Double> first =
                train(model(MOLAE, Precision.FLOAT32), config(12).build()).losses();

        assertThat(train(model(MOLAE, Precision.FLOAT32), config(12).build()).losses())
                .isEqualTo(first);
    }

    /** With every loss that is a mean over tokens: the z-loss, and balance inside sequences. */
    @ParameterizedTest
    @ValueSource(ints = {1, 8, 32})
    void accumulatesGradientsToThoseOfOneLargeBatch(int passes) throws IOException {
        MoeSpec moe = MOE.toBuilder()
                .optRouter(RouterSpec.builder()
                        .optAuxLossCoef(0.1)
                        .optAuxLossScope(AuxLossScope.SEQUENCE)
                        .optZLossCoef(0.01)
                        .build())
                .build();
        Recorder large = train(
                model(moe, Precision.FLOAT32),
                masked(),
                config(6).setBatchSize(32).build());
        Recorder small = train(
                model(moe, Precision.FLOAT32),
                masked(),
                config(6)
                        .setBatchSize(32 / passes)
                        .optGradientAccumulation(passes)
                        .build());

        for (int i = 0; i < 6; i++) {
            LmTrainingListener.Step expected = large.steps.get(i);
            LmTrainingListener.Step step = small.steps.get(i);
            assertThat(step.loss()).isCloseTo(expected.loss(), within(1e-6 * expected.loss()));
            assertThat(step.auxLoss()).isCloseTo(expected.auxLoss(), within(1e-6 * expected.auxLoss()));
            assertThat(step.gradientNorm()).isCloseTo(expected.gradientNorm(), within(1e-6 * expected.gradientNorm()));
            assertThat(step.load()).isEqualTo(expected.load());
        }
        assertThat(small.steps.get(5).tokens()).isEqualTo(6 * 32 * SEQUENCE);
        assertThat(small.evaluations.get(0).loss())
                .isCloseTo(large.evaluations.get(0).loss(), within(1e-6));
    }

    /** The small text with another share of its labels masked in every sequence, so that passes have different numbers of labels. */
    static TrainingData masked() {
        TrainingData data = SmallRun.data();
        return new TrainingData() {
            @Override
            public long size() {
                return data.size();
            }

            @Override
            public int sequenceLength() {
                return data.sequenceLength();
            }

            @Override
            public TokenBatch shuffled(long position, int count) {
                TokenBatch batch = data.shuffled(position, count);
                for (int row = 0; row < count; row++) {
                    int masked = (int) ((position + row) * 7 % SEQUENCE);
                    Arrays.fill(batch.labels(), row * SEQUENCE, row * SEQUENCE + masked, TokenBatch.IGNORED);
                }
                return batch;
            }

            @Override
            public TokenBatch inOrder(long first, int count) {
                return data.inOrder(first, count);
            }

            @Override
            public String fingerprint() {
                return "masked " + data.fingerprint();
            }
        };
    }

    @Test
    void labelsThatAreLeftOutHaveNoSay() throws IOException {
        TrainingData nothing = new TrainingData() {
            @Override
            public long size() {
                return 8;
            }

            @Override
            public int sequenceLength() {
                return SEQUENCE;
            }

            @Override
            public TokenBatch shuffled(long position, int count) {
                TokenBatch batch = SmallRun.data().shuffled(position, count);
                Arrays.fill(batch.labels(), TokenBatch.IGNORED);
                return batch;
            }

            @Override
            public TokenBatch inOrder(long first, int count) {
                return shuffled(first, count);
            }

            @Override
            public String fingerprint() {
                return "nothing";
            }
        };
        MoeSpec plain = MOE.toBuilder().optRouter(RouterSpec.builder().build()).build();
        Recorder recorder =
                train(model(plain, Precision.FLOAT32), nothing, config(2).build());

        assertThat(recorder.losses()).containsOnly(0.0);
        assertThat(recorder.steps).allMatch(step -> step.gradientNorm() == 0 && step.stepTokens() == 8 * SEQUENCE);
    }

    @Test
    void tellsTheListenerWhatAStepDid() throws IOException {
        Recorder recorder = train(
                model(MOE, Precision.FLOAT32), config(10).optEvaluation(4, 2).build());

        LmTrainingListener.Step step = recorder.steps.get(2);
        assertThat(step.step()).isEqualTo(3);
        assertThat(step.steps()).isEqualTo(10);
        assertThat(step.learningRate()).isCloseTo(0.01 * 3 / 5, within(1e-12));
        assertThat(step.tokens()).isEqualTo(3 * 8 * SEQUENCE);
        assertThat(step.stepTokens()).isEqualTo(8 * SEQUENCE);
        assertThat(step.auxLoss()).isBetween(2 * 0.01 * 1.9, 2 * 0.01 * 4.0);
        assertThat(step.load()).hasSize(2).allMatch(load -> load.total() == 8 * SEQUENCE * 2);
        assertThat(step.routing()).extracting(LayerRouting::layer).containsExactly(0, 1);
        assertThat(step.routing()).allMatch(routing -> routing.entropy() > 0 && routing.entropy() <= Math.log(4));
        double balance =
                step.routing().stream().mapToDouble(LayerRouting::balanceLoss).sum();
        assertThat(step.auxLoss()).isCloseTo(0.01 * balance, within(1e-7));
        assertThat(step.tokensPerSecond()).isPositive();
        assertThat(step.flopsUtilisation()).isNaN();
        assertThat(recorder.evaluations)
                .extracting(LmTrainingListener.Evaluation::step)
                .containsExactly(4L, 8L, 10L);
        assertThat(recorder.evaluations).allMatch(e -> e.tokens() == 2 * 8 * SEQUENCE);
    }

    @Test
    void tellsTheShareOfTheMeasuredPeak() throws IOException {
        Recorder recorder = train(
                model(MOE, Precision.FLOAT32), config(2).optMeasurePeak(true).build());

        assertThat(recorder.steps).allMatch(step -> step.flopsUtilisation() > 0 && step.flopsUtilisation() < 1);
    }

    @Test
    void endsByTokens() throws IOException {
        Recorder recorder = train(
                model(MOE, Precision.FLOAT32),
                TrainingConfig.builder()
                        .setTokens(5 * 8 * SEQUENCE - 3)
                        .setBatchSize(8)
                        .build());

        assertThat(recorder.steps).hasSize(5);
        assertThat(recorder.steps.get(1).steps()).isEqualTo(5);
        assertThat(recorder.evaluations).hasSize(1);
    }

    @Test
    void correctionBiasesMoveOncePerStepAgainstTheLoad() throws IOException {
        MoeSpec biased = MOE.toBuilder()
                .optRouter(RouterSpec.builder()
                        .optScoreFunction(ScoreFunction.SIGMOID)
                        .optCorrectionBias(true)
                        .build())
                .build();
        CausalLm model = model(biased, Precision.FLOAT32);
        Recorder recorder = train(
                model,
                config(3)
                        .setBatchSize(2)
                        .optGradientAccumulation(4)
                        .optBiasUpdateSpeed(0.01)
                        .build());

        for (int layer = 0; layer < 2; layer++) {
            double[] expected = new double[4];
            for (LmTrainingListener.Step step : recorder.steps) {
                expected =
                        BalanceLoss.biasUpdate(expected, step.load().get(layer).tokensPerExpert(), 0.01, true);
            }
            float[] bias = model.parametersByPath()
                    .get("layers." + layer + ".mlp.e_score_correction_bias")
                    .getArray()
                    .toFloatArray();
            for (int i = 0; i < 4; i++) {
                assertThat((double) bias[i]).isCloseTo(expected[i], within(1e-8));
            }
        }
    }

    @Test
    void correctionBiasesOfFrozenRoutersStay() throws IOException {
        MoeSpec biased = MOE.toBuilder()
                .optRouter(RouterSpec.builder()
                        .optScoreFunction(ScoreFunction.SIGMOID)
                        .optCorrectionBias(true)
                        .build())
                .build();
        CausalLm model = model(biased, Precision.FLOAT32);
        FineTuning.expertsOnly().applyTo(model);
        train(model, config(2).optBiasUpdateSpeed(0.01).build());

        assertThat(model.parametersByPath()
                        .get("layers.0.mlp.e_score_correction_bias")
                        .getArray()
                        .toFloatArray())
                .containsOnly(0);
    }

    @Test
    void countsWhatACapacityDrops() throws IOException {
        MoeSpec tight = MOE.toBuilder()
                .optRouter(RouterSpec.builder().optCapacityFactor(0.5).build())
                .build();
        Recorder recorder = train(model(tight, Precision.FLOAT32), config(2).build());

        assertThat(recorder.steps.get(0).load())
                .allMatch(load -> load.dropped() >= load.total() / 2 && load.dropped() < load.total());
    }

    @Test
    void evaluatesTheWholeValidationTextUnlessLimited() throws IOException {
        Recorder recorder = train(model(MOE, Precision.FLOAT32), config(1).build());

        assertThat(recorder.evaluations.get(0).tokens())
                .isEqualTo(SmallRun.validation().size() * SEQUENCE);
    }

    @Test
    void endsAfterTheStepInWhichItIsStopped() throws IOException {
        Recorder recorder = new Recorder();
        try (LmTrainer trainer = trainer(
                model(MOE, Precision.FLOAT32), SmallRun.data(), config(10).build(), recorder)) {
            recorder.onStep = step -> {
                if (step == 3) {
                    trainer.stop();
                }
            };
            trainer.train();
        }
        assertThat(recorder.steps).hasSize(3);
        assertThat(recorder.evaluations).isEmpty();
    }

    @Test
    void namesTheFirstTensorThatIsNotFiniteAndLeavesTheOthersAsTheyWere() throws IOException {
        CausalLm model = model(MOE, Precision.FLOAT32);
        model.parametersByPath().get("layers.1.mlp.down").getArray().muli(Float.POSITIVE_INFINITY);
        float[] before = model.parametersByPath().get("embed_tokens").getArray().toFloatArray();

        assertThatThrownBy(() -> train(model, config(5).build()))
                .isInstanceOf(TrainingDivergedException.class)
                .hasMessageContaining("training diverged at step 1: loss NaN")
                .hasMessageContaining("the first tensor that is not finite is the parameter layers.1.mlp.down")
                .hasMessageContaining("Lower the learning rate")
                .matches(e -> ((TrainingDivergedException) e).step() == 1);
        assertThat(model.parametersByPath().get("embed_tokens").getArray().toFloatArray())
                .isEqualTo(before);
    }

    @Test
    void saysAtWhichStepTheLossRanAway() {
        TrainingConfig wild = config(200)
                .optSchedule(LearningRateSchedule.constant(30))
                .optDivergenceMargin(2)
                .build();

        assertThatThrownBy(() -> train(model(MOE, Precision.FLOAT32), wild))
                .isInstanceOf(TrainingDivergedException.class)
                .hasMessageMatching("training diverged at step \\d+: .*Lower the learning rate.*");
    }

    /**
     * Arrays of one step hold over a megabyte, so that 280 leaked steps would be some 300 MB. The tolerance is for the JVM's compiler,
     * which allocates from the same heap; what earlier tests left may meanwhile be freed, so that it can be less.
     */
    @Test
    void holdsAsMuchNativeMemoryAfter300StepsAsAfter20() throws IOException {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        List<Long> inUse = new ArrayList<>();
        Recorder recorder = new Recorder();
        recorder.onStep = step -> {
            if (step == 20 || step == 300) {
                inUse.add(NativeMemory.inUse().orElse(0));
            }
        };
        try (LmTrainer trainer = trainer(
                model(MOLAE, Precision.FLOAT32), SmallRun.data(), config(300).build(), recorder)) {
            trainer.train();
        }
        assertThat(inUse.get(1) - inUse.get(0)).isLessThan(40_000_000L);
    }

    @Test
    void namesTheSettingItRefuses() {
        assertThatThrownBy(() -> config(1).setSteps(0).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("steps must be at least 1, got 0");
        assertThatThrownBy(() -> config(1).setTokens(0).build()).hasMessageContaining("tokens must be at least 1");
        assertThatThrownBy(() -> TrainingConfig.builder().setBatchSize(1).build())
                .hasMessageContaining("use setSteps or setTokens");
        assertThatThrownBy(() -> config(1).setBatchSize(0).build()).hasMessageContaining("batchSize");
        assertThatThrownBy(() -> config(1).optGradientAccumulation(0).build())
                .hasMessageContaining("gradientAccumulation");
        assertThatThrownBy(() -> config(1).optMaxGradientNorm(Double.NaN).build())
                .hasMessageContaining("maxGradientNorm must be finite and at least 0, got NaN");
        assertThatThrownBy(() -> config(1).optBiasUpdateSpeed(-1).build()).hasMessageContaining("biasUpdateSpeed");
        assertThatThrownBy(() -> config(1).optDivergenceMargin(-1).build()).hasMessageContaining("divergenceMargin");
        assertThatThrownBy(() -> config(1).optEvaluation(-1, 0).build()).hasMessageContaining("evaluateEvery");
        assertThatThrownBy(() -> config(1).optEvaluation(0, -1).build()).hasMessageContaining("evaluationBatches");
        assertThatThrownBy(
                        () -> LmTrainer.builder().setConfig(config(1).build()).build())
                .hasMessageContaining("a trainer needs a model");
    }
}
