package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.hf.EditedCheckpoint.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every tensor is used once, every parameter is filled once, and one message says all that is wrong. */
class TensorAccountingTest {

    private static final String EXPERT = "model.layers.1.mlp.experts.3.";

    @TempDir
    private Path folder;

    private void refused(EditedCheckpoint edited, String message) throws IOException {
        Path written = edited.write(folder);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessage(
                        written + ": the tensors are not those of the model that config.json describes." + message);
    }

    private static EditedCheckpoint qwen3() {
        return EditedCheckpoint.golden("qwen3_moe-a");
    }

    @Test
    void integersAreNoWeights() throws IOException {
        Path written = qwen3().write(folder);
        Path file = written.resolve("model.safetensors");
        String bytes = Files.readString(file, StandardCharsets.ISO_8859_1);
        Files.writeString(file, bytes.replaceFirst("\"F32\"", "\"I32\""), StandardCharsets.ISO_8859_1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessageContaining("1 of a type that weights do not have: ")
                .withMessageEndingWith(" is I32");
    }

    @Test
    void aMissingTensorIsNamedWithTheShapeItShouldHave() throws IOException {
        EditedCheckpoint edited = qwen3();
        edited.remove(EXPERT + "up_proj.weight");
        refused(edited, "\n  1 missing: " + EXPERT + "up_proj.weight [16, 32]");
    }

    @ParameterizedTest
    @CsvSource({
        "mixtral-a, model.layers.1.block_sparse_moe.gate.weight",
        "mixtral-a, model.embed_tokens.weight",
        "qwen2_moe-a, model.layers.0.mlp.shared_expert_gate.weight",
        "qwen2_moe-a, model.layers.1.self_attn.v_proj.bias",
        "qwen3_moe-a, model.layers.0.self_attn.k_norm.weight",
        "olmoe-a, model.layers.1.mlp.experts.7.down_proj.weight",
        "deepseek_v2-a, model.layers.0.mlp.up_proj.weight",
        "deepseek_v2-c, model.layers.1.self_attn.kv_a_layernorm.weight",
        "deepseek_v3-a, model.layers.2.mlp.gate.e_score_correction_bias",
        "deepseek_v3-a, lm_head.weight"
    })
    void noFamilyDoesWithoutOneOfItsTensors(String golden, String tensor) throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden(golden);
        List<Long> shape = edited.remove(tensor).shape();
        refused(edited, "\n  1 missing: " + tensor + " " + shape);
    }

    @Test
    void aTensorThatNobodyReadsIsNamed() throws IOException {
        refused(
                qwen3().put("model.layers.1.mlp.experts.8.up_proj.weight", Tensor.of(new float[512], 16, 32)),
                "\n  1 unexpected: model.layers.1.mlp.experts.8.up_proj.weight");
    }

    @Test
    void aTransposedTensorIsNamedWithBothShapes() throws IOException {
        refused(
                qwen3().change((EXPERT + "down_proj.weight")::equals, Tensor::transposed),
                "\n  1 misshaped: " + EXPERT + "down_proj.weight is [16, 32], the config says [32, 16]");
    }

    @Test
    void allThreeFaultsStandInOneMessage() throws IOException {
        EditedCheckpoint edited = qwen3().put("lm_head.bias", Tensor.of(new float[112], 112))
                .put("model.layers.0.mlp.gate.bias", Tensor.of(new float[8], 8))
                .change("model.embed_tokens.weight"::equals, Tensor::transposed);
        edited.remove("model.norm.weight");
        refused(
                edited,
                "\n  1 missing: model.norm.weight [32]"
                        + "\n  2 unexpected: lm_head.bias; model.layers.0.mlp.gate.bias"
                        + "\n  1 misshaped: model.embed_tokens.weight is [32, 112], the config says [112, 32]");
    }

    @ParameterizedTest
    @ValueSource(ints = {20, 21, 23})
    void moreThanTwentyNamesAreCutAndCounted(int count) throws IOException {
        EditedCheckpoint edited = qwen3();
        List<String> dropped =
                edited.tensors().keySet().stream().sorted().limit(count).toList();
        dropped.forEach(edited::remove);
        Path written = edited.write(folder);
        String rest = count == 20 ? "" : "; and " + (count - 20) + " more";
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .satisfies(e -> {
                    assertThat(e.getMessage())
                            .contains("\n  " + count + " missing: ")
                            .endsWith(rest);
                    assertThat(dropped.stream().filter(name -> e.getMessage().contains(name + " [")))
                            .hasSize(20);
                });
    }

    @Test
    void aConfigOfAnotherSizeMakesTheTensorsMisshaped() throws IOException {
        Path written = qwen3().config("moe_intermediate_size", 17).write(folder);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessageContaining("48 misshaped: ")
                .withMessageContaining("; and 28 more");
    }

    @Test
    void layersOfMultiTokenPredictionMayBeThereOnlyIfTheConfigSaysSo() throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden("deepseek_v3-a")
                .put("model.layers.3.enorm.weight", Tensor.of(new float[32], 32))
                .put("model.layers.3.eh_proj.weight", Tensor.of(new float[2048], 32, 64))
                .put("model.layers.3.mlp.experts.0.up_proj.weight", Tensor.of(new float[384], 12, 32));
        refused(
                edited,
                "\n  3 unexpected: model.layers.3.enorm.weight; model.layers.3.eh_proj.weight; "
                        + "model.layers.3.mlp.experts.0.up_proj.weight");
        Path written = edited.config("num_nextn_predict_layers", 1).write(folder);
        assertThat(Loading.logits(written)).containsExactly(Loading.logits(GoldenCase.folder("deepseek_v3-a")));
        edited.put("model.layers.4.enorm.weight", Tensor.of(new float[32], 32));
        refused(edited, "\n  1 unexpected: model.layers.4.enorm.weight");
    }

    @Test
    void cachedFrequenciesOfRopeArePassedOver() throws IOException {
        Path written = EditedCheckpoint.golden("mixtral-a")
                .put("model.layers.0.self_attn.rotary_emb.inv_freq", Tensor.of(new float[4], 4))
                .put("model.rotary_emb.inv_freq", Tensor.of(new float[4], 4))
                .write(folder);
        assertThat(Loading.logits(written)).containsExactly(Loading.logits(GoldenCase.folder("mixtral-a")));
    }

    @Test
    void emptySharedExpertsOfAQwen2MoeWithoutAnyArePassedOver() throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden("qwen2_moe-a").config("shared_expert_intermediate_size", 0);
        edited.tensors().keySet().removeIf(name -> name.contains("shared_expert"));
        edited.put("model.layers.0.mlp.shared_expert.up_proj.weight", Tensor.of(new float[0], 0, 32))
                .put("model.layers.0.mlp.shared_expert_gate.weight", Tensor.of(new float[32], 1, 32));
        Path written = edited.write(folder);
        assertThatCode(() -> Checkpoint.open(written).close()).doesNotThrowAnyException();
    }
}
