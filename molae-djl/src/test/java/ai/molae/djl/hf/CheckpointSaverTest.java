package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.LoraSpec;
import ai.molae.djl.lm.LoraTarget;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CheckpointSaverTest {

    private final NDManager manager = NDManager.newBaseManager();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm load(Path from) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(from)) {
            return checkpoint.load(manager, Precision.FLOAT32);
        }
    }

    private float[] logits(CausalLm model) {
        NDArray tokens = manager.create(new long[] {3, 1, 4, 1, 5, 9, 2, 6}, new Shape(2, 4));
        return model.forward(new ParameterStore(manager, false), new NDList(tokens), false)
                .singletonOrThrow()
                .toFloatArray();
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void aRoundTripGivesTheSameBytesUnderTheSameNames(String name) throws IOException {
        Path source = GoldenCase.folder(name);
        CheckpointConfig saved;
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            CausalLm model = checkpoint.load(manager, Precision.FLOAT32);
            saved = CheckpointSaver.of(model)
                    .optOriginal(checkpoint)
                    .optMaxShardBytes(40_000)
                    .save(folder);
        }
        assertThat(saved.spec()).isEqualTo(CheckpointConfig.read(source).spec());
        assertThat(CheckpointConfig.read(folder).json()).isEqualTo(saved.json());
        try (SafetensorsFolder before = SafetensorsFolder.open(source);
                SafetensorsFolder after = SafetensorsFolder.open(folder)) {
            assertThat(after.tensors().keySet()).isEqualTo(before.tensors().keySet());
            for (TensorInfo tensor : before.tensors().values()) {
                TensorInfo other = after.tensors().get(tensor.name());
                assertThat(other.spec()).isEqualTo(tensor.spec());
                assertThat(bytes(after, other)).isEqualTo(bytes(before, tensor));
            }
        }
        assertThat(folder.resolve("model.safetensors.index.json")).exists();
    }

    private static ByteBuffer bytes(SafetensorsFolder tensors, TensorInfo tensor) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.bytes());
        tensors.read(tensor.name(), 0, bytes);
        return bytes.flip();
    }

    private static Stream<LatentSpec> latents() {
        LatentSpec.Builder all = LatentSpec.builder().setLatentSize(5).setGroupSize(4);
        return Stream.of(
                all.build(),
                LatentSpec.builder()
                        .setLatentSize(5)
                        .setGroupSize(2)
                        .optTiedGateUp(true)
                        .build(),
                LatentSpec.builder()
                        .setLatentSize(6)
                        .setGroupSize(3)
                        .optFactored(ExpertOperator.UP)
                        .build(),
                LatentSpec.builder()
                        .setLatentSize(6)
                        .setGroupSize(8)
                        .optFactored(ExpertOperator.DOWN)
                        .build(),
                LatentSpec.builder()
                        .setLatentSize(6)
                        .setGroupSize(8)
                        .optFactored(ExpertOperator.GATE, ExpertOperator.DOWN)
                        .build());
    }

    private CausalLm random(ModelSpec spec) {
        Engine.getInstance().setRandomSeed(3);
        CausalLm model = CausalLm.builder().setSpec(spec).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        return model;
    }

    @ParameterizedTest
    @MethodSource("latents")
    void aMolaeModelComesBackExactly(LatentSpec latent) throws IOException {
        for (String name : List.of("qwen3_moe-a", "deepseek_v3-a", "mixtral-a")) {
            CheckpointConfig original = CheckpointConfig.read(GoldenCase.folder(name));
            CausalLm molae = random(original.spec().mapMoe(moe -> moe.withLatent(latent)));
            CheckpointConfig saved = CheckpointSaver.of(molae).save(folder);
            assertThat(saved.modelType()).isEqualTo(original.modelType());
            assertThat(saved.spec()).isEqualTo(molae.spec());
            assertThat(logits(load(folder))).containsExactly(logits(molae));
        }
    }

    @ParameterizedTest
    @MethodSource("latents")
    void multipliedOutItIsTheStandardMoeItEquals(LatentSpec latent) throws IOException {
        for (String name : List.of("qwen3_moe-a", "deepseek_v3-a")) {
            ModelSpec spec = CheckpointConfig.read(GoldenCase.folder(name)).spec();
            CausalLm molae = random(spec.mapMoe(moe -> moe.withLatent(latent)));
            CheckpointSaver.of(molae).optMultipliedOut().save(folder);
            CausalLm standard = load(folder);
            assertThat(standard.spec()).isEqualTo(spec);
            assertThat(logits(standard)).containsExactly(logits(molae), within(1e-5f));
        }
    }

    @Test
    void roundsToTheTypeAskedForButKeepsTheBiasOfTheRouter() throws IOException {
        CausalLm model = load(GoldenCase.folder("deepseek_v3-a"));
        CheckpointSaver.of(model).optType(TensorType.BF16).save(folder);
        try (SafetensorsFolder tensors = SafetensorsFolder.open(folder)) {
            tensors.tensors().values().forEach(tensor -> assertThat(tensor.type())
                    .as(tensor.name())
                    .isEqualTo(tensor.name().endsWith("e_score_correction_bias") ? TensorType.F32 : TensorType.BF16));
        }
        Map<String, Parameter> exact = model.parametersByPath();
        load(folder).parametersByPath().forEach((path, parameter) -> {
            float[] values = exact.get(path).getArray().toFloatArray();
            float[] rounded = parameter.getArray().toFloatArray();
            for (int i = 0; i < values.length; i++) {
                assertThat(rounded[i]).as(path).isCloseTo(values[i], within(Math.abs(values[i]) / 256));
            }
        });
        assertThat(Files.readString(folder.resolve("config.json"))).contains("\"bfloat16\"");
    }

    @Test
    void tokenizerAndGenerationSettingsComeAlong() throws IOException {
        Path source = Files.createDirectory(folder.resolve("source"));
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(GoldenCase.folder("olmoe-a").resolve(file), source.resolve(file));
        }
        Files.writeString(source.resolve("tokenizer.json"), "{}");
        Files.writeString(source.resolve("generation_config.json"), "{\"eos_token_id\": 2}");
        Path target = folder.resolve("target");
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            CheckpointSaver.of(checkpoint.load(manager, Precision.FLOAT32))
                    .optOriginal(checkpoint)
                    .save(target);
        }
        assertThat(target.resolve("tokenizer.json")).hasContent("{}");
        assertThat(target.resolve("generation_config.json")).hasContent("{\"eos_token_id\": 2}");
        try (Stream<Path> files = Files.list(target)) {
            assertThat(files.map(Path::getFileName).map(Path::toString)).noneMatch(name -> name.endsWith(".part"));
        }
    }

    @Test
    void aSaveThatFailsLeavesTheOldCheckpointAsItWas() throws IOException {
        Path source = copy("olmoe-a", "source");
        Files.writeString(source.resolve("tokenizer.json"), "{}");
        Path target = copy("qwen3_moe-a", "target");
        float[] before = logits(load(target));
        Path inTheWay = Files.createDirectories(target.resolve("tokenizer.json"));
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            CheckpointSaver saver = CheckpointSaver.of(checkpoint.load(manager, Precision.FLOAT32))
                    .optOriginal(checkpoint);
            assertThatExceptionOfType(IOException.class)
                    .isThrownBy(() -> saver.save(target))
                    .withMessageContaining("tokenizer.json: a folder of that name is there");
        }
        assertThat(inTheWay).isDirectory();
        assertThat(logits(load(target))).containsExactly(before);
        try (Stream<Path> files = Files.list(target)) {
            assertThat(files.map(Path::toString)).noneMatch(name -> name.endsWith(".part"));
        }
    }

    @Test
    void aTokenizerOfTheModelThatWasThereBeforeGoes() throws IOException {
        Path source = copy("olmoe-a", "source");
        Path target = copy("qwen3_moe-a", "target");
        Files.writeString(target.resolve("tokenizer_config.json"), "{}");
        Files.writeString(target.resolve("notes.txt"), "mine");
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            CheckpointSaver.of(checkpoint.load(manager, Precision.FLOAT32))
                    .optOriginal(checkpoint)
                    .save(target);
        }
        assertThat(target.resolve("tokenizer_config.json")).doesNotExist();
        assertThat(target.resolve("notes.txt")).exists();
        assertThat(CheckpointConfig.read(target).modelType()).isEqualTo("olmoe");
    }

    @Test
    void withoutATypeInTheConfigItIsThatOfMostWeights() throws IOException {
        Path source = copy("deepseek_v3-a/bf16-sharded", "source");
        Path config = source.resolve("config.json");
        Files.writeString(config, Files.readString(config).replaceAll("\"torch_dtype\": \"[a-z0-9]*\",", ""));
        Path target = folder.resolve("target");
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            assertThat(checkpoint.config().dtype()).isEmpty();
            CheckpointSaver.of(checkpoint.load(manager, Precision.FLOAT32))
                    .optOriginal(checkpoint)
                    .save(target);
        }
        assertThat(CheckpointConfig.read(target).dtype()).contains("bfloat16");
    }

    private Path copy(String golden, String name) throws IOException {
        Path copy = Files.createDirectory(folder.resolve(name));
        try (Stream<Path> files = Files.list(GoldenCase.folder(golden))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        return copy;
    }

    @Test
    void refusesWhatItCannotSave() throws IOException {
        CausalLm fresh = CausalLm.builder()
                .setSpec(CheckpointConfig.read(GoldenCase.folder("olmoe-a")).spec())
                .build();
        assertThatIllegalStateException()
                .isThrownBy(() -> CheckpointSaver.of(fresh))
                .withMessageContaining("not initialised");
        CausalLm model = load(GoldenCase.folder("olmoe-a"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CheckpointSaver.of(model).optType(TensorType.I8))
                .withMessageContaining("got I8");
        model.addLora(
                LoraSpec.builder().setRank(1).setTargets(LoraTarget.EXPERTS).build());
        assertThatIllegalStateException()
                .isThrownBy(() -> CheckpointSaver.of(model))
                .withMessageContaining("adapters (LoRA)")
                .withMessageContaining("mergeLora()");
        model.mergeLora();
        model.prepareForInference(Precision.INT8);
        assertThatIllegalStateException()
                .isThrownBy(() -> CheckpointSaver.of(model))
                .withMessageContaining("prepared for inference in INT8");
    }
}
