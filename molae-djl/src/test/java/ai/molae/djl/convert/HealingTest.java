package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.CheckpointPolicy;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HealingTest {

    private static final int VOCAB = 16;
    private static final int SEQUENCE = 16;
    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(16)
            .setIntermediateSize(16)
            .setNumExperts(4)
            .setTopK(2)
            .build();
    private static final LatentSpec LATENT =
            LatentSpec.builder().setLatentSize(2).setGroupSize(4).build();

    @TempDir
    private Path folder;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm moe() {
        Engine.getEngine("PyTorch").setRandomSeed(11);
        CausalLm model = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(VOCAB)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(2, MOE)
                        .optMaxPositionEmbeddings(SEQUENCE)
                        .build())
                .build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, SEQUENCE));
        return model;
    }

    /** A model that knows the text. */
    private CausalLm trained() throws IOException {
        CausalLm model = moe();
        TrainingConfig config = TrainingConfig.builder()
                .setSteps(200)
                .setBatchSize(8)
                .optSchedule(LearningRateSchedule.warmupCosine(0.01, 0.001, 1000, 200 * 8 * SEQUENCE))
                .build();
        try (LmTrainer trainer = LmTrainer.builder()
                .setModel(model)
                .setData(text(6000, 1))
                .setConfig(config)
                .build()) {
            trainer.train();
        }
        return model;
    }

    /** Every letter follows from the two before it, but for some noise. */
    private static PackedWindows text(int length, long seed) {
        Random random = new Random(seed);
        int[] tokens = new int[length];
        for (int i = 2; i < length; i++) {
            tokens[i] =
                    random.nextInt(10) == 0 ? random.nextInt(VOCAB) : (tokens[i - 1] + tokens[i - 2] * 3 + 1) % VOCAB;
        }
        return new PackedWindows(tokens, SEQUENCE, 3);
    }

    private static Healing.Builder healing(int steps) {
        return Healing.builder().setData(text(6000, 1)).setSteps(steps).optValidation(text(600, 2));
    }

    private static Map<String, float[]> values(CausalLm model) {
        Map<String, float[]> values = new TreeMap<>();
        model.parametersByPath()
                .forEach((path, parameter) ->
                        values.put(path, parameter.getArray().toFloatArray()));
        return values;
    }

    /** The last names of what is not as it was. */
    private static Set<String> changed(Map<String, float[]> before, Map<String, float[]> after) {
        Set<String> changed = new TreeSet<>();
        before.forEach((path, value) -> {
            if (!Arrays.equals(value, after.get(path))) {
                changed.add(path.substring(path.lastIndexOf('.') + 1));
            }
        });
        return changed;
    }

    @Test
    void trainingTheFactorsGivesBackWhatTheFactorisationLost() throws IOException {
        CausalLm original = trained();
        CausalLm converted = TruncatedMolae.of(original, LATENT, manager);
        Map<String, float[]> before = values(converted);
        converted.parametersByPath().get("norm").freeze(true);

        Healing.Result result = healing(40)
                .optTeacher(original, new DistillationLoss(1, 0.5))
                .build()
                .heal(converted);

        assertThat(result.steps()).isEqualTo(40);
        assertThat(result.stopped()).isFalse();
        assertThat(result.after().getAsDouble()).isLessThan(result.before().getAsDouble() - 0.1);
        assertThat(changed(before, values(converted))).containsExactly("down", "gate", "latent_in", "latent_out", "up");
        assertThat(converted.parametersByPath().entrySet().stream()
                        .filter(entry -> !entry.getValue().requiresGradient())
                        .map(Map.Entry::getKey))
                .as("what trains is as it was")
                .containsExactly("norm");
    }

    @ParameterizedTest
    @CsvSource({"FACTORS, latent_in up", "EXPERTS, down gate latent_in up"})
    void trainsWhatItIsToldTo(Healing.Trained trained, String expected) throws IOException {
        LatentSpec onlyUp = LatentSpec.builder()
                .optFactored(ExpertOperator.UP)
                .setLatentSize(2)
                .setGroupSize(2)
                .build();
        CausalLm converted = TruncatedMolae.of(moe(), onlyUp, manager);
        Map<String, float[]> before = values(converted);

        healing(2).optTrained(trained).build().heal(converted);

        assertThat(String.join(" ", changed(before, values(converted)))).isEqualTo(expected);
    }

    @Test
    void aStoppedHealingGoesOnAsIfItHadNotStopped() throws IOException {
        CausalLm original = moe();
        CausalLm whole = TruncatedMolae.of(original, LATENT, manager);
        Healing.Result uninterrupted = healing(6).build().heal(whole);

        Healing[] first = new Healing[1];
        first[0] = healing(6)
                .optCheckpoints(folder, CheckpointPolicy.standard())
                .optListener(new LmTrainingListener() {
                    @Override
                    public void onStep(Step step) {
                        if (step.step() == 2) {
                            first[0].stop();
                        }
                    }
                })
                .build();
        Healing.Result stopped = first[0].heal(TruncatedMolae.of(original, LATENT, manager));
        CausalLm second = TruncatedMolae.of(original, LATENT, manager);
        Healing.Result resumed = healing(6)
                .optCheckpoints(folder, CheckpointPolicy.standard())
                .build()
                .heal(second);

        assertThat(stopped.stopped()).isTrue();
        assertThat(stopped.steps()).isEqualTo(2);
        assertThat(resumed).isEqualTo(uninterrupted);
        assertThat(changed(values(whole), values(second))).isEmpty();
    }

    @Test
    void aFolderIsHealedInItsPlaceUnlessItIsStopped() throws IOException {
        Path place = folder.resolve("converted");
        CheckpointSaver.of(TruncatedMolae.of(moe(), LATENT, manager)).save(place);
        byte[] before = Files.readAllBytes(place.resolve("model.safetensors"));

        Healing stopped = healing(3).build();
        stopped.stop();
        assertThat(stopped.heal(place, Precision.FLOAT32).stopped()).isTrue();
        assertThat(Files.readAllBytes(place.resolve("model.safetensors"))).isEqualTo(before);

        Healing.Result result = healing(3).build().heal(place, Precision.FLOAT32);
        assertThat(Files.readAllBytes(place.resolve("model.safetensors"))).isNotEqualTo(before);
        try (Checkpoint healed = Checkpoint.open(place)) {
            double loss = healing(1)
                    .optLearningRate(1e-30)
                    .build()
                    .heal(healed.load(manager, Precision.FLOAT32))
                    .before()
                    .getAsDouble();
            assertThat(loss).isCloseTo(result.after().getAsDouble(), within(1e-6));
        }
    }

    @Test
    void refusesWhatHasNothingToHeal() {
        CausalLm standard = moe();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> healing(1).build().heal(standard))
                .withMessageContaining("none of the 2 layers is a MoE layer with factored experts");
        assertThat(standard.parametersByPath().values()).allMatch(Parameter::requiresGradient);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> healing(0).build())
                .withMessageContaining("at least 1 step, got 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> healing(1).optLearningRate(-1).build())
                .withMessageContaining("got -1.0");
    }
}
