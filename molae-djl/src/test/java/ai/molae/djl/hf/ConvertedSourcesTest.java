package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.convert.GroupPolicy;
import ai.molae.djl.convert.RankPolicy;
import ai.molae.djl.hf.EditedCheckpoint.Tensor;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints that are stored in other ways are converted like the plain one they stand for. */
class ConvertedSourcesTest {

    @TempDir
    private Path folder;

    /** At full rank, so that the converted model is the model. */
    private Path convert(Path source, String name) throws IOException {
        Map<ExpertOperator, Integer> ranks = new EnumMap<>(ExpertOperator.class);
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            MoeSpec moe = checkpoint.spec().feedForwards().stream()
                    .filter(MoeSpec.class::isInstance)
                    .map(MoeSpec.class::cast)
                    .findFirst()
                    .orElseThrow();
            for (ExpertOperator operator : ExpertOperator.values()) {
                ranks.put(operator, Math.min(moe.hiddenSize(), 4 * moe.intermediateSize()));
            }
        }
        Path target = folder.resolve(name);
        Converter.builder()
                .setSource(source)
                .setTarget(target)
                .setMethod(ConversionMethod.builder()
                        .setRanks(new RankPolicy.Fixed(ranks))
                        .optGroups(GroupPolicy.contiguous(4))
                        .build())
                .optThreads(1)
                .build()
                .convert();
        return target;
    }

    private static Map<String, TensorInfo> tensors(Path checkpoint) throws IOException {
        try (Checkpoint open = Checkpoint.open(checkpoint)) {
            return Map.copyOf(open.tensors().tensors());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"deepseek_v3-a", "qwen3_moe-a"})
    void blockQuantisedWeightsAreDecoded(String name) throws IOException {
        EditedCheckpoint twin = EditedCheckpoint.golden(name);
        Path eight = QuantizedCheckpointTest.quantise(EditedCheckpoint.golden(name), twin, 16, 8)
                .write(folder.resolve("eight"));

        Path converted = convert(eight, "molae");

        assertThat(tensors(eight).values()).anyMatch(tensor -> tensor.type() == TensorType.F8_E4M3);
        assertThat(tensors(converted).values())
                .allMatch(tensor -> tensor.type() == TensorType.F32 || tensor.type() == TensorType.BF16);
        assertThat(tensors(converted).keySet()).noneMatch(tensor -> tensor.endsWith("_scale_inv"));
        assertThat(CheckpointConfig.read(converted).quantization()).isEmpty();
        assertThat(Loading.distance(Loading.logits(converted), Loading.logits(twin.write(folder.resolve("plain")))))
                .isLessThan(1e-4);
    }

    @ParameterizedTest
    @ValueSource(strings = {"mixtral-a", "olmoe-a", "deepseek_v2-a"})
    void stackedExpertsAreRead(String name) throws IOException {
        EditedCheckpoint stacked = EditedCheckpoint.golden(name);
        for (int layer = 0; layer < 3; layer++) {
            StackedExpertsTest.stack(stacked, layer);
        }

        Path converted = convert(stacked.write(folder.resolve("stacked")), "molae");

        assertThat(Loading.distance(Loading.logits(converted), Loading.logits(GoldenCase.folder(name))))
                .isLessThan(1e-4);
    }

    @Test
    void shardsOfBfloat16StayBfloat16AndWhatIsNotConvertedStaysAsItIs() throws IOException {
        Path source = GoldenCase.folder("deepseek_v3-a/bf16-sharded");

        Path converted = convert(source, "molae");

        Map<String, TensorInfo> before = tensors(source);
        List<String> same = new ArrayList<>();
        try (Checkpoint was = Checkpoint.open(source);
                Checkpoint is = Checkpoint.open(converted)) {
            assertThat(is.config().dtype()).contains("bfloat16");
            for (TensorInfo tensor : is.tensors().tensors().values()) {
                if (before.containsKey(tensor.name()) && !tensor.name().contains(".experts.")) {
                    assertThat(tensor.type())
                            .as(tensor.name())
                            .isEqualTo(before.get(tensor.name()).type());
                    assertThat(values(is, tensor)).isEqualTo(values(was, before.get(tensor.name())));
                    same.add(tensor.name());
                } else {
                    assertThat(tensor.type()).as(tensor.name()).isEqualTo(TensorType.BF16);
                }
            }
        }
        assertThat(same).contains("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight");
        assertThat(same).anyMatch(tensor -> tensor.endsWith("e_score_correction_bias"));
        assertThat(Loading.distance(Loading.logits(converted), Loading.logits(source)))
                .isLessThan(0.05);
    }

    private static float[] values(Checkpoint checkpoint, TensorInfo tensor) throws IOException {
        java.nio.FloatBuffer values = java.nio.FloatBuffer.allocate((int) tensor.elements());
        checkpoint.tensors().readFloats(tensor.name(), 0, values);
        return values.array();
    }

    @Test
    void whatBelongsToTheModelComesAlong() throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden("olmoe-a");
        Path source = edited.write(folder.resolve("moe"));
        for (String companion : List.of("tokenizer.json", "generation_config.json", "chat_template.jinja")) {
            Files.writeString(source.resolve(companion), "of " + companion);
        }
        Files.writeString(source.resolve("README.md"), "of the original alone");

        Path converted = convert(source, "molae");

        assertThat(converted.resolve("tokenizer.json")).hasContent("of tokenizer.json");
        assertThat(converted.resolve("generation_config.json")).hasContent("of generation_config.json");
        assertThat(converted.resolve("chat_template.jinja")).hasContent("of chat_template.jinja");
        assertThat(converted.resolve("README.md")).doesNotExist();
    }

    @Test
    void oneTensorThatIsNotFiniteIsEnough() throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden("mixtral-a");
        String name = "model.layers.1.block_sparse_moe.experts.6.w2.weight";
        Tensor down = edited.tensor(name);
        down.values()[7] = Float.NaN;
        Path source = edited.put(name, down).write(folder.resolve("moe"));

        org.assertj.core.api.Assertions.assertThatIllegalArgumentException()
                .isThrownBy(() -> convert(source, "molae"))
                .withMessageContainingAll("layer 1", "DOWN of expert 6", "not finite");
        assertThat(folder.resolve("molae")).doesNotExist();
    }
}
