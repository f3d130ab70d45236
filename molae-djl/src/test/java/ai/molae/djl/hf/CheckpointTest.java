package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.molae.cost.CostModel;
import ai.molae.djl.Logged;
import ai.molae.djl.hf.EditedCheckpoint.Tensor;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.SafetensorsException;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {

    private final NDManager manager = NDManager.newBaseManager();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void tellsWhatIsInTheFolder() throws IOException {
        Path golden = GoldenCase.folder("olmoe-a");
        try (Checkpoint checkpoint = Checkpoint.open(golden)) {
            assertThat(checkpoint.folder()).isEqualTo(golden);
            assertThat(checkpoint.spec()).isEqualTo(checkpoint.config().spec());
            assertThat(checkpoint.tensors().tensors().keySet())
                    .isEqualTo(Golden.tensors("olmoe-a").keySet());
        }
    }

    // ---- tied embeddings ----

    private EditedCheckpoint tied() {
        EditedCheckpoint edited = EditedCheckpoint.golden("mixtral-a").config("tie_word_embeddings", true);
        edited.remove("lm_head.weight");
        return edited;
    }

    private float[] untiedLogits() throws IOException {
        EditedCheckpoint untied = EditedCheckpoint.golden("mixtral-a");
        return Loading.logits(untied.put("lm_head.weight", untied.tensor("model.embed_tokens.weight"))
                .write(folder.resolve("untied")));
    }

    @Test
    void aTiedHeadIsTheEmbedding() throws Exception {
        Path written = tied().write(folder.resolve("tied"));
        assertThat(Logged.by(() -> Loading.load(manager, written))).doesNotContain("lm_head");
        assertThat(Loading.logits(written)).containsExactly(untiedLogits());
        assertThat(Loading.logits(Loading.loadForInference(manager, written, Precision.FLOAT32)))
                .containsExactly(untiedLogits(), within(1e-5f));
    }

    @Test
    void aTiedHeadMayStandInTheFile() throws Exception {
        EditedCheckpoint edited = tied();
        Path written = edited.put("lm_head.weight", edited.tensor("model.embed_tokens.weight"))
                .write(folder.resolve("tied"));
        assertThat(Logged.by(() -> Loading.load(manager, written))).doesNotContain("lm_head");
        assertThat(Loading.logits(written)).containsExactly(untiedLogits());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anotherHeadThanTheTiedOneIsWarnedOfAndNotUsed(boolean infer) throws Exception {
        EditedCheckpoint edited = tied();
        float[] other = edited.tensor("model.embed_tokens.weight").values().clone();
        other[other.length - 1] += 1;
        Path written = edited.put("lm_head.weight", Tensor.of(other, 112, 32)).write(folder.resolve("tied"));
        assertThat(Logged.by(() -> infer
                        ? Loading.loadForInference(manager, written, Precision.BFLOAT16)
                        : Loading.load(manager, written)))
                .contains(written + ": lm_head.weight differs from the embedding")
                .contains("tie_word_embeddings");
        Logged.by(() -> assertThat(Loading.logits(written)).containsExactly(untiedLogits()));
    }

    // ---- files ----

    @Test
    void shardsMayBeAsManyAsTensors() throws IOException {
        Path written = EditedCheckpoint.golden("deepseek_v3-a").write(folder, 1);
        List<Path> shards;
        try (Stream<Path> files = Files.list(written)) {
            shards = files.filter(file -> file.toString().endsWith(".safetensors"))
                    .sorted()
                    .toList();
        }
        assertThat(shards).hasSize(Golden.tensors("deepseek_v3-a").size());
        assertThat(Loading.logits(written)).containsExactly(Loading.logits(GoldenCase.folder("deepseek_v3-a")));
        Files.delete(shards.get(6));
        assertThatThrownBy(() -> Checkpoint.open(written))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining(shards.get(6).getFileName().toString());
    }

    @Test
    void aFolderWithoutConfigSaysSo() throws IOException {
        Path written = EditedCheckpoint.golden("mixtral-a").write(folder);
        Files.delete(written.resolve("config.json"));
        assertThatThrownBy(() -> Checkpoint.open(written))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessage(written.resolve("config.json")
                        + ": a checkpoint is a folder with config.json and safetensors files");
    }

    @Test
    void aFolderWithoutWeightsSaysSo() throws IOException {
        Files.writeString(folder.resolve("config.json"), Golden.config("mixtral-a"));
        assertThatThrownBy(() -> Checkpoint.open(folder))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining(folder.toString())
                .hasMessageContaining("model.safetensors");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"{\"model_type\": \"mixtral\",", "", "[]", "{\"model_type\": \"gpt2\"}", "{\"a\": \"\u00e4\"}"})
    void aConfigThatCannotBeReadIsNamed(String text) throws IOException {
        Path config = folder.resolve("config.json");
        // the last is no UTF-8
        Files.writeString(config, text, StandardCharsets.ISO_8859_1);
        assertThatThrownBy(() -> Checkpoint.open(folder))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(config + ": ")
                .hasMessageMatching("(?s).{30,}");
    }

    // ---- progress ----

    private static List<Checkpoint.Progress> progress(Checkpoint checkpoint, Runnable load) {
        List<Checkpoint.Progress> steps = new ArrayList<>();
        checkpoint.onProgress(steps::add);
        load.run();
        return steps;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void progressGoesUpToTheNumberOfParameters(boolean tiedHead) throws IOException {
        Path written = (tiedHead ? tied() : EditedCheckpoint.golden("deepseek_v3-a")).write(folder);
        try (Checkpoint checkpoint = Checkpoint.open(written)) {
            List<Checkpoint.Progress> trained = progress(checkpoint, () -> checkpoint.load(manager, Precision.FLOAT32));
            List<Checkpoint.Progress> packed =
                    progress(checkpoint, () -> checkpoint.loadForInference(manager, Precision.INT8));
            long total = CostModel.model(checkpoint.spec()).parameters();
            for (List<Checkpoint.Progress> steps : List.of(trained, packed)) {
                assertThat(steps).extracting(Checkpoint.Progress::total).containsOnly(total);
                assertThat(steps)
                        .extracting(Checkpoint.Progress::elements)
                        .isSorted()
                        .endsWith(total);
                assertThat(steps.get(0).elements()).isBetween(1L, total - 1);
            }
        }
    }

    // ---- what is left behind ----

    @Test
    void parametersLiveAsLongAsTheManager() throws IOException {
        NDManager owner = manager.newSubManager();
        CausalLm model = Loading.load(owner, GoldenCase.folder("qwen3_moe-a"));
        assertThat(owner.getManagedArrays())
                .hasSameSizeAs(model.parametersByPath().values());
        owner.close();
        assertThat(model.parametersByPath().values())
                .extracting(Parameter::getArray)
                .allMatch(array -> array.isReleased());
        assertThat(manager.getManagedArrays()).isEmpty();
    }

    @Test
    void packedWeightsLiveAsLongAsTheManager() throws IOException {
        NDManager owner = manager.newSubManager();
        CausalLm model = Loading.loadForInference(owner, GoldenCase.folder("qwen3_moe-a"), Precision.INT8);
        // the norms and the routers
        assertThat(owner.getManagedArrays()).hasSize((int) model.parametersByPath().keySet().stream()
                .filter(path -> path.endsWith("norm") || path.endsWith("router"))
                .count());
        owner.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> Loading.logits(model))
                .withMessageContaining("freed");
    }

    @Test
    void aFileThatShrinksWhileItIsLoadedIsNamedAndNothingStays() throws IOException {
        Path written = EditedCheckpoint.golden("olmoe-a").write(folder);
        Path file = written.resolve("model.safetensors");
        try (Checkpoint checkpoint = Checkpoint.open(written);
                NDManager owner = manager.newSubManager()) {
            try (SeekableByteChannel channel = Files.newByteChannel(file, StandardOpenOption.WRITE)) {
                channel.truncate(Files.size(file) / 2);
            }
            assertThatThrownBy(() -> checkpoint.load(owner, Precision.FLOAT32))
                    .isInstanceOf(UncheckedIOException.class)
                    .hasMessageContaining(file.toString());
            assertThatThrownBy(() -> checkpoint.loadForInference(owner, Precision.BFLOAT16))
                    .isInstanceOf(UncheckedIOException.class);
        }
        assertThat(manager.getManagedArrays()).isEmpty();
    }
}
