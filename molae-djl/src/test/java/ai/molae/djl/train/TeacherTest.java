package ai.molae.djl.train;

import static ai.molae.djl.train.SmallRun.MOE;
import static ai.molae.djl.train.SmallRun.MOLAE;
import static ai.molae.djl.train.SmallRun.config;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.StepTrait;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training on the logits of another model. */
class TeacherTest {

    private static final DistillationLoss HALF = new DistillationLoss(2, 0.5);
    private static final DistillationLoss ALONE = new DistillationLoss(1, 1);
    /** Without a balance loss, which is one of a pass and moves the routers. */
    private static final MoeSpec STILL =
            MOE.toBuilder().optRouter(RouterSpec.builder().build()).build();

    @TempDir
    private Path folder;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm moe() {
        return SmallRun.model(manager, MOE, Precision.FLOAT32);
    }

    /** A model that knows the text. */
    private CausalLm trained() throws IOException {
        CausalLm model = moe();
        try (LmTrainer trainer = trainer(model, config(100).build()).build()) {
            trainer.train();
        }
        return model;
    }

    private static LmTrainer.Builder trainer(CausalLm model, TrainingConfig config) {
        return LmTrainer.builder().setModel(model).setData(SmallRun.data()).setConfig(config);
    }

    private static SmallRun.Recorder run(LmTrainer.Builder builder) throws IOException {
        SmallRun.Recorder recorder = new SmallRun.Recorder();
        try (LmTrainer trainer = builder.optListener(recorder).build()) {
            trainer.train();
        }
        return recorder;
    }

    @Test
    void aModelLearnsTheTextFromATeacherAlone() throws IOException {
        CausalLm teacher = trained();
        teacher.prepareForInference(Precision.BFLOAT16);
        CausalLm model = SmallRun.model(manager, MOLAE, Precision.FLOAT32);

        SmallRun.Recorder recorder = run(
                trainer(model, config(100).build()).optTeacher(teacher, ALONE).optValidation(SmallRun.validation()));

        assertThat(recorder.steps.get(99).loss())
                .as("divergence from the teacher")
                .isLessThan(recorder.steps.get(0).loss() / 4);
        assertThat(recorder.evaluations.get(0).loss())
                .as("cross-entropy, of 2.77 at first")
                .isBetween(0.4, 1.5);
    }

    /** Passes have different numbers of labels. */
    @Test
    void accumulatesGradientsToThoseOfOneLargeBatch() throws IOException {
        CausalLm teacher = trained();
        SmallRun.Recorder large = run(trainer(
                        SmallRun.model(manager, STILL, Precision.FLOAT32),
                        config(4).build())
                .setData(LmTrainerTest.masked())
                .optTeacher(teacher, HALF));
        SmallRun.Recorder small = run(trainer(
                        SmallRun.model(manager, STILL, Precision.FLOAT32),
                        config(4).setBatchSize(2).optGradientAccumulation(4).build())
                .setData(LmTrainerTest.masked())
                .optTeacher(teacher, HALF));

        for (int i = 0; i < 4; i++) {
            LmTrainingListener.Step expected = large.steps.get(i);
            LmTrainingListener.Step step = small.steps.get(i);
            assertThat(step.loss()).isCloseTo(expected.loss(), within(2e-6 * expected.loss()));
            assertThat(step.gradientNorm()).isCloseTo(expected.gradientNorm(), within(2e-6 * expected.gradientNorm()));
        }
    }

    @Test
    void aTeacherWithTheSameLogitsMovesNothing() throws IOException {
        CausalLm model = SmallRun.model(manager, STILL, Precision.FLOAT32);
        CausalLm teacher = SmallRun.model(manager, STILL, Precision.FLOAT32);

        SmallRun.Recorder recorder = run(trainer(model, config(1).build()).optTeacher(teacher, ALONE));

        assertThat(recorder.steps.get(0).loss()).isCloseTo(0, within(1e-6));
        assertThat(recorder.steps.get(0).gradientNorm()).isLessThan(1e-5);
    }

    @Test
    void refusesATeacherThatCannotTeachTheModel() {
        CausalLm model = moe();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> trainer(model, config(1).build())
                        .optTeacher(model(20, 16), HALF)
                        .build())
                .withMessageContaining("a vocabulary of 20 tokens")
                .withMessageContaining("one of 16");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> trainer(model, config(1).build())
                        .optTeacher(model(16, 8), HALF)
                        .build())
                .withMessageContaining("at most 8 tokens")
                .withMessageContaining("have 16");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> trainer(model, config(1).build())
                        .optTeacher(model, HALF)
                        .build())
                .withMessageContaining("its own teacher");
    }

    private CausalLm model(int vocabSize, int longest) {
        CausalLm model = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(vocabSize)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(1, MOE)
                        .optMaxPositionEmbeddings(longest)
                        .build())
                .build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 4));
        return model;
    }

    @Test
    void goesOnWithTheSameTeacherOnly() throws IOException {
        CausalLm teacher = trained();
        TrainingConfig config = config(2).build();
        CheckpointPolicy policy = CheckpointPolicy.standard();
        run(trainer(moe(), config).optTeacher(teacher, HALF).optCheckpoints(folder, policy));

        try (LmTrainer trainer = trainer(moe(), config)
                .optTeacher(teacher, new DistillationLoss(3, 0.5))
                .optCheckpoints(folder, policy)
                .build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(trainer::resume)
                    .withMessageContaining("teacher was temperature 2.0, share 0.5")
                    .withMessageContaining("and is temperature 3.0, share 0.5");
        }
        try (LmTrainer trainer =
                trainer(moe(), config).optCheckpoints(folder, policy).build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(trainer::resume)
                    .withMessageContaining("teacher was temperature 2.0")
                    .withMessageContaining("and is none");
        }
        try (LmTrainer trainer = trainer(moe(), config)
                .optTeacher(teacher, HALF)
                .optCheckpoints(folder, policy)
                .build()) {
            assertThat(trainer.resume()).isPresent();
        }
    }

    @Test
    void theTeachersLogitsAreCounted() {
        CausalLm model = model(30_000, 16);
        MemoryEstimate alone = MemoryEstimate.of(model, 4, 16, 8);
        double array = 4.0 * 4 * 16 * 30_000;

        // The logits, the teacher's and one gradient, in the place of the logits, their logarithms and two gradients.
        assertThat(alone.withTeacher().settings().traits()).contains(StepTrait.TEACHER);
        assertThat(alone.bytes().logits() - alone.withTeacher().bytes().logits())
                .isBetween(0.0, array);
    }
}
