package ai.molae.djl.train;

import static ai.molae.djl.train.SmallRun.MOE;
import static ai.molae.djl.train.SmallRun.MOLAE;
import static ai.molae.djl.train.SmallRun.config;
import static ai.molae.djl.train.SmallRun.model;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.Logged;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.LoraSpec;
import ai.molae.djl.lm.LoraTarget;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ResumeTest {

    private static final CheckpointPolicy EVERY_4 = new CheckpointPolicy(4, Duration.ZERO, 2, 0, false);
    private static final MoeSpec BIASED = MOLAE.toBuilder()
            .optRouter(RouterSpec.builder()
                    .optScoreFunction(ScoreFunction.SIGMOID)
                    .optCorrectionBias(true)
                    .optAuxLossCoef(0.01)
                    .optZLossCoef(0.001)
                    .build())
            .build();

    @TempDir
    private Path folder;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private LmTrainer.Builder trainer(CausalLm model, TrainingConfig config, SmallRun.Recorder recorder) {
        return LmTrainer.builder()
                .setModel(model)
                .setData(SmallRun.data())
                .setConfig(config)
                .optValidation(SmallRun.validation())
                .optCheckpoints(folder, EVERY_4)
                .optListener(recorder);
    }

    /** Trains to the end, or to the step after which it is stopped. */
    private SmallRun.Recorder run(CausalLm model, TrainingConfig config, long stopAfter) throws IOException {
        SmallRun.Recorder recorder = new SmallRun.Recorder();
        try (LmTrainer trainer = trainer(model, config, recorder).build()) {
            recorder.onStep = step -> {
                if (step == stopAfter) {
                    trainer.stop();
                }
            };
            trainer.resume();
            trainer.train();
        }
        return recorder;
    }

    static Stream<Arguments> kinds() {
        Consumer<CausalLm> nothing = model -> {};
        Consumer<CausalLm> lora = model -> FineTuning.lora(LoraSpec.builder()
                        .setRank(2)
                        .setTargets(LoraTarget.ATTENTION, LoraTarget.EXPERTS)
                        .build())
                .applyTo(model);
        return Stream.of(
                Arguments.of("AdamW", MOE, Precision.FLOAT32, config(12).build(), nothing),
                Arguments.of("bfloat16", MOLAE, Precision.BFLOAT16, config(12).build(), nothing),
                Arguments.of(
                        "Muon, correction bias, accumulation",
                        BIASED,
                        Precision.FLOAT32,
                        config(12)
                                .setBatchSize(2)
                                .optGradientAccumulation(3)
                                .optOptimizer(MuonSpec.builder().build())
                                .build(),
                        nothing),
                Arguments.of(
                        "SGD with momentum and dropout",
                        MOE,
                        Precision.FLOAT32,
                        config(12)
                                .optOptimizer(SgdSpec.nesterov(0.9))
                                .optSeed(5)
                                .build(),
                        (Consumer<CausalLm>) model -> model.setDropout(0.2)),
                Arguments.of(
                        "factored second moments, router warm-up",
                        MOLAE,
                        Precision.FLOAT32,
                        config(12)
                                .optOptimizer(AdamWSpec.builder()
                                        .optSecondMoment(SecondMoment.FACTORED)
                                        .build())
                                .addParameterGroup(ParameterGroup.warmup("**.mlp.router", 6 * SmallRun.stepTokens(8)))
                                .build(),
                        nothing),
                Arguments.of("LoRA", MOLAE, Precision.FLOAT32, config(12).build(), lora));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("kinds")
    void aRunThatWasStoppedGoesOnBitByBit(
            String name, MoeSpec moe, Precision precision, TrainingConfig config, Consumer<CausalLm> tuning)
            throws IOException {
        CausalLm uninterrupted = model(manager, moe, precision);
        tuning.accept(uninterrupted);
        SmallRun.Recorder whole = new SmallRun.Recorder();
        try (LmTrainer trainer = LmTrainer.builder()
                .setModel(uninterrupted)
                .setData(SmallRun.data())
                .setConfig(config)
                .optValidation(SmallRun.validation())
                .optListener(whole)
                .build()) {
            trainer.train();
        }

        CausalLm first = model(manager, moe, precision);
        tuning.accept(first);
        SmallRun.Recorder before = run(first, config, 7);
        CausalLm second = model(manager, moe, precision);
        tuning.accept(second);
        SmallRun.Recorder after = run(second, config, -1);

        assertThat(before.losses()).isEqualTo(whole.losses().subList(0, 7));
        assertThat(after.losses()).isEqualTo(whole.losses().subList(7, 12));
        assertThat(after.steps.get(4).tokens()).isEqualTo(whole.steps.get(11).tokens());
        assertThat(after.evaluations.get(0).loss())
                .isEqualTo(whole.evaluations.get(0).loss());
        uninterrupted.parametersByPath().forEach((path, parameter) -> assertThat(
                        second.parametersByPath().get(path).getArray().toFloatArray())
                .as(path)
                .isEqualTo(parameter.getArray().toFloatArray()));
    }

    @Test
    void aCheckpointIsACheckpointFolderToInferWith() throws IOException {
        CausalLm model = model(manager, MOLAE, Precision.FLOAT32);
        run(model, config(4).build(), -1);

        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("step-0000000004"))) {
            CausalLm loaded = checkpoint.load(manager, Precision.FLOAT32);
            loaded.parametersByPath().forEach((path, parameter) -> assertThat(
                            parameter.getArray().toFloatArray())
                    .as(path)
                    .isEqualTo(model.parametersByPath().get(path).getArray().toFloatArray()));
        }
    }

    @Test
    void keepsTheLastTheBestAndMilestones() throws IOException {
        SmallRun.Recorder recorder = new SmallRun.Recorder();
        try (LmTrainer trainer = trainer(
                        model(manager, MOE, Precision.FLOAT32),
                        config(11).optEvaluation(2, 1).build(),
                        recorder)
                .optCheckpoints(folder, new CheckpointPolicy(2, Duration.ZERO, 2, 6, true))
                .build()) {
            trainer.train();
        }
        assertThat(recorder.checkpoints).containsExactly(2L, 4L, 6L, 8L, 10L, 11L);
        assertThat(CheckpointStore.list(folder))
                .extracting(CheckpointStore.Entry::step)
                .as("the last two, and step 6")
                .containsExactly(6L, 10L, 11L);
    }

    @Test
    void theBestIsKeptHoweverOldItIs() throws IOException {
        SmallRun.Recorder recorder = new SmallRun.Recorder();
        TrainingConfig worse = config(10)
                .optEvaluation(1, 1)
                .optSchedule(tokens -> tokens <= 4 * SmallRun.stepTokens(8) ? 0.01 : 1.0)
                .optDivergenceMargin(0)
                .build();
        try (LmTrainer trainer = trainer(model(manager, MOE, Precision.FLOAT32), worse, recorder)
                .optCheckpoints(folder, new CheckpointPolicy(1, Duration.ZERO, 1, 0, true))
                .build()) {
            trainer.train();
        }
        long best = recorder.evaluations.stream()
                .min((a, b) -> Double.compare(a.loss(), b.loss()))
                .orElseThrow()
                .step();
        assertThat(best).isLessThan(10);
        assertThat(CheckpointStore.list(folder))
                .extracting(CheckpointStore.Entry::step)
                .containsExactly(best, 10L);
    }

    @Test
    void aDamagedCheckpointIsNamedAndTheOneBeforeCanBeResumed() throws Exception {
        TrainingConfig config = config(12).build();
        SmallRun.Recorder whole = run(model(manager, MOE, Precision.FLOAT32), config, -1);
        Path last = folder.resolve("step-0000000012");
        flipAByte(last.resolve("optimizer/model.safetensors"));

        CausalLm model = model(manager, MOE, Precision.FLOAT32);
        SmallRun.Recorder again = new SmallRun.Recorder();
        try (LmTrainer trainer = trainer(model, config, again).build()) {
            assertThatThrownBy(trainer::resume)
                    .isInstanceOf(CorruptCheckpointException.class)
                    .hasMessageContaining("step-0000000012 is damaged: optimizer/model.safetensors has the checksum")
                    .hasMessageContaining("the one before it is " + folder.resolve("step-0000000008"));
            assertThat(trainer.step()).isZero();

            assertThat(Logged.by(() -> {
                        trainer.resume(folder.resolve("step-0000000008"));
                        return null;
                    }))
                    .contains(last + " is later than the one resumed and now called step-0000000012.abandoned");
            trainer.train();
        }
        assertThat(again.losses()).isEqualTo(whole.losses().subList(8, 12));
        assertThat(folder.resolve("step-0000000012.abandoned")).isDirectory();
        assertThat(TrainingCheckpoint.open(last).step()).isEqualTo(12);
    }

    private static void flipAByte(Path file) throws IOException {
        try (RandomAccessFile bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.seek(bytes.length() - 3);
            int value = bytes.read();
            bytes.seek(bytes.length() - 3);
            bytes.write(value ^ 1);
        }
    }

    @Test
    void everyFileOfACheckpointIsVerified() throws IOException {
        run(model(manager, MOE, Precision.FLOAT32), config(4).build(), -1);
        Path checkpoint = folder.resolve("step-0000000004");
        Path trainer = checkpoint.resolve("trainer.json");
        String json = Files.readString(trainer);

        Files.writeString(trainer, json.substring(0, json.length() / 2));
        assertThatThrownBy(() -> TrainingCheckpoint.open(checkpoint)).hasMessageContaining("trainer.json is no JSON");
        Files.writeString(trainer, json.replace("\"format\": 1", "\"format\": 99"));
        assertThatThrownBy(() -> TrainingCheckpoint.open(checkpoint))
                .hasMessageContaining("trainer.json has format 99, this version of molae reads 1");
        Files.writeString(trainer, json.replace("\"position\": 32", "\"position\": 33"));
        assertThatThrownBy(() -> TrainingCheckpoint.open(checkpoint))
                .hasMessageContaining("trainer.json has another checksum than was written");
        Files.delete(trainer);
        assertThatThrownBy(() -> TrainingCheckpoint.open(checkpoint)).hasMessageContaining("trainer.json is missing");

        Files.writeString(trainer, json);
        Files.writeString(checkpoint.resolve("config.json"), "{}");
        assertThatThrownBy(() -> TrainingCheckpoint.open(checkpoint)).hasMessageContaining("config.json has 2 bytes");
        Files.delete(checkpoint.resolve("config.json"));
        assertThatThrownBy(() -> TrainingCheckpoint.open(checkpoint)).hasMessageContaining("config.json is missing");
    }

    @Test
    void anotherModelIsRefusedWithWhatDiffers() throws IOException {
        run(model(manager, MOE, Precision.FLOAT32), config(4).build(), -1);
        CausalLm other = model(manager, MOLAE, Precision.FLOAT32);
        float[] before = other.parametersByPath().get("embed_tokens").getArray().toFloatArray();

        try (LmTrainer trainer =
                trainer(other, config(4).build(), new SmallRun.Recorder()).build()) {
            assertThatThrownBy(trainer::resume)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("another model")
                    .hasMessageContaining("layers[0].moe.latent was null and is {");
        }
        assertThat(other.parametersByPath().get("embed_tokens").getArray().toFloatArray())
                .isEqualTo(before);
    }

    @Test
    void otherSettingsAreRefusedUnlessAccepted() throws Exception {
        run(model(manager, MOE, Precision.FLOAT32), config(4).build(), -1);
        CausalLm model = model(manager, MOE, Precision.FLOAT32);
        TrainingConfig longer = config(6).setBatchSize(4).build();

        try (LmTrainer trainer = trainer(model, longer, new SmallRun.Recorder()).build()) {
            assertThatThrownBy(trainer::resume)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("batch_size was 8 and is 4")
                    .hasMessageContaining("steps was 4 and is 6")
                    .hasMessageContaining("optAllowChanges(true)");
        }
        try (LmTrainer trainer = trainer(model, longer, new SmallRun.Recorder())
                .optAllowChanges(true)
                .build()) {
            assertThat(Logged.by(() -> assertThat(trainer.resume()).isPresent()))
                    .contains("with other settings: batch_size was 8 and is 4");
            trainer.train();
            assertThat(trainer.step()).isEqualTo(6);
        }
    }

    @Test
    void otherDataAreRefused() throws IOException {
        run(model(manager, MOE, Precision.FLOAT32), config(4).build(), -1);

        try (LmTrainer trainer = trainer(
                        model(manager, MOE, Precision.FLOAT32), config(4).build(), new SmallRun.Recorder())
                .setData(new PackedWindows(SmallRun.text(4000, 9), SmallRun.SEQUENCE, 3))
                .build()) {
            assertThatThrownBy(trainer::resume)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("data was ");
        }
    }

    @Test
    void otherAdaptersAndOtherTrainedParametersAreRefused() throws IOException {
        TrainingConfig config = config(4).optOptimizer(SgdSpec.plain()).build();
        CausalLm first = model(manager, MOE, Precision.FLOAT32);
        lora(4).applyTo(first);
        run(first, config, -1);

        CausalLm louder = model(manager, MOE, Precision.FLOAT32);
        lora(64).applyTo(louder);
        try (LmTrainer trainer =
                trainer(louder, config, new SmallRun.Recorder()).build()) {
            assertThatThrownBy(trainer::resume)
                    .hasMessageContaining("adapters was LoraSpec[rank=2, alpha=4.0")
                    .hasMessageContaining("and is LoraSpec[rank=2, alpha=64.0");
        }
    }

    private static FineTuning lora(double alpha) {
        return FineTuning.lora(LoraSpec.builder()
                .setRank(2)
                .optAlpha(alpha)
                .setTargets(LoraTarget.ATTENTION)
                .build());
    }

    @Test
    void whatTrainsIsCompared() throws IOException {
        TrainingConfig config = config(4).optOptimizer(SgdSpec.plain()).build();
        run(model(manager, MOE, Precision.FLOAT32), config, -1);

        CausalLm frozen = model(manager, MOE, Precision.FLOAT32);
        FineTuning.expertsOnly().applyTo(frozen);
        try (LmTrainer trainer =
                trainer(frozen, config, new SmallRun.Recorder()).build()) {
            assertThatThrownBy(trainer::resume).hasMessageContaining("trained was ");
        }
    }

    @Test
    void afterADivergenceTheSameProcessCanGoOn() throws IOException {
        TrainingConfig config = config(12).build();
        SmallRun.Recorder whole = run(model(manager, MOE, Precision.FLOAT32), config, 8);
        CausalLm model = model(manager, MOE, Precision.FLOAT32);
        SmallRun.Recorder broken = new SmallRun.Recorder();
        try (LmTrainer trainer = trainer(model, config, broken).build()) {
            trainer.resume();
            model.parametersByPath().get("norm").getArray().muli(Float.NaN);
            assertThatThrownBy(trainer::train).isInstanceOf(TrainingDivergedException.class);
        }

        SmallRun.Recorder after = run(model, config, -1);

        assertThat(whole.steps).hasSize(8);
        assertThat(broken.steps).isEmpty();
        assertThat(after.steps).hasSize(4);
        assertThat(after.steps.get(0).loss()).isLessThan(whole.steps.get(0).loss());
    }

    @Test
    void anEvaluationThatStoppingPreventedIsMadeUpFor() throws IOException {
        TrainingConfig config = config(12).optEvaluation(4, 1).build();
        SmallRun.Recorder before = run(model(manager, MOE, Precision.FLOAT32), config, 4);
        SmallRun.Recorder after = run(model(manager, MOE, Precision.FLOAT32), config, -1);

        assertThat(before.evaluations).isEmpty();
        assertThat(after.evaluations)
                .extracting(LmTrainingListener.Evaluation::step)
                .containsExactly(4L, 8L, 12L);
    }

    @Test
    void theBestIsTheBestOfTheParametersThatWereSaved() throws IOException {
        SmallRun.Recorder recorder = new SmallRun.Recorder();
        try (LmTrainer trainer = trainer(
                        model(manager, MOE, Precision.FLOAT32),
                        config(6).optEvaluation(4, 1).build(),
                        recorder)
                .optCheckpoints(folder, new CheckpointPolicy(3, Duration.ZERO, 1, 0, true))
                .build()) {
            trainer.train();
        }
        assertThat(recorder.evaluations)
                .extracting(LmTrainingListener.Evaluation::step)
                .as("every 4 steps, and before every checkpoint")
                .containsExactly(3L, 4L, 6L);
    }

    @Test
    void aFolderOfAnotherRunIsNotTrainedInto() throws IOException {
        run(model(manager, MOE, Precision.FLOAT32), config(4).build(), -1);

        try (LmTrainer trainer = trainer(
                        model(manager, MOE, Precision.FLOAT32), config(4).build(), new SmallRun.Recorder())
                .build()) {
            assertThatThrownBy(trainer::train)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("holds a run of 4 steps; resume() it");
        }
    }

    @Test
    void oneTrainerAtATimeWritesIntoAFolder() throws IOException {
        CausalLm model = model(manager, MOE, Precision.FLOAT32);
        try (LmTrainer trainer =
                trainer(model, config(4).build(), new SmallRun.Recorder()).build()) {
            assertThatThrownBy(() -> trainer(model, config(4).build(), new SmallRun.Recorder())
                            .build())
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("another trainer writes into " + folder);
            assertThat(trainer.step()).isZero();
        }
        trainer(model, config(4).build(), new SmallRun.Recorder()).build().close();
    }

    @Test
    void leftoversOfAKilledProcessAreCleared() throws IOException {
        Files.createDirectories(folder.resolve("step-0000000004.part/optimizer"));
        Files.writeString(folder.resolve("step-0000000004.part/optimizer/model.safetensors"), "half");
        Files.createDirectories(folder.resolve("step-0000000002.old"));
        Files.createDirectories(folder.resolve("mine.part"));

        try (CheckpointStore store = CheckpointStore.open(folder, EVERY_4)) {
            assertThat(store.latest())
                    .as("its successor was never put in its place")
                    .isEqualTo(Optional.of(new CheckpointStore.Entry(2, folder.resolve("step-0000000002"))));
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(Path::getFileName).map(Path::toString).toList())
                    .containsExactlyInAnyOrder(".lock", "step-0000000002", "mine.part");
        }
    }

    @Test
    void resumingNeedsAFolder() throws IOException {
        try (LmTrainer trainer = LmTrainer.builder()
                .setModel(model(manager, MOE, Precision.FLOAT32))
                .setData(SmallRun.data())
                .setConfig(config(4).build())
                .build()) {
            assertThatThrownBy(trainer::resume).hasMessageContaining("optCheckpoints");
        }
    }

    @Test
    void aFinishedRunStaysFinished() throws IOException {
        run(model(manager, MOE, Precision.FLOAT32), config(4).build(), -1);

        assertThat(run(model(manager, MOE, Precision.FLOAT32), config(4).build(), -1).steps)
                .isEmpty();
        assertThat(CheckpointStore.list(folder)).hasSize(1);
    }

    @Test
    void refusesAPolicyThatKeepsNothing() {
        assertThatThrownBy(() -> new CheckpointPolicy(0, Duration.ZERO, 0, 0, false))
                .hasMessageContaining("keepLast of at least 1, got 0, PT0S, 0 and 0");
        assertThat(List.of(
                        CheckpointPolicy.standard().isDue(5, Duration.ofMinutes(29)),
                        CheckpointPolicy.standard().isDue(5, Duration.ofMinutes(30)),
                        CheckpointPolicy.everySteps(5).isDue(5, Duration.ZERO),
                        CheckpointPolicy.everySteps(5).isDue(6, Duration.ofDays(1))))
                .containsExactly(false, true, true, false);
    }
}
