package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.hf.EditedCheckpoint.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Experts as transformers 5 holds them, {@code gate_up_proj [N, 2m, n]} with the gate's rows first and {@code down_proj [N, n, m]}. */
class StackedExpertsTest {

    @TempDir
    private Path folder;

    /** Stacks the experts of a layer, if it has any. Mixtral's module is renamed too. */
    static void stack(EditedCheckpoint edited, int layer) {
        String from = "model.layers." + layer + (isMixtral(edited) ? ".block_sparse_moe." : ".mlp.");
        String to = "model.layers." + layer + ".mlp.";
        stackExperts(edited, from, to);
        edited.rename(name -> name.startsWith(from) ? to + name.substring(from.length()) : name);
    }

    private static boolean isMixtral(EditedCheckpoint edited) {
        return edited.config().get("model_type").getAsString().equals("mixtral");
    }

    private static void stackExperts(EditedCheckpoint edited, String from, String to) {
        boolean mixtral = isMixtral(edited);
        String gate = mixtral ? ".w1.weight" : ".gate_proj.weight";
        String up = mixtral ? ".w3.weight" : ".up_proj.weight";
        String down = mixtral ? ".w2.weight" : ".down_proj.weight";
        List<String> gateUps = new ArrayList<>();
        List<String> downs = new ArrayList<>();
        for (int e = 0; edited.tensors().containsKey(from + "experts." + e + gate); e++) {
            gateUps.addAll(List.of(from + "experts." + e + gate, from + "experts." + e + up));
            downs.add(from + "experts." + e + down);
        }
        if (!downs.isEmpty()) {
            List<Long> shape = edited.tensor(gateUps.get(0)).shape();
            edited.join(gateUps, to + "experts.gate_up_proj", downs.size(), 2 * shape.get(0), shape.get(1));
            edited.join(downs, to + "experts.down_proj", downs.size(), shape.get(1), shape.get(0));
        }
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void theyAreTheSameModelAsExpertsOneByOne(String name) throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden(name);
        for (int layer = 0; layer < 3; layer++) {
            stack(edited, layer);
        }
        assertThat(edited.tensors().keySet()).noneMatch(tensor -> tensor.matches(".*experts\\.\\d.*"));
        assertThat(Loading.logits(edited.write(folder))).containsExactly(Loading.logits(GoldenCase.folder(name)));
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenConfigTest#cases")
    void everyLayerHasTheLayoutItHas(String name) throws IOException {
        int last = CheckpointConfig.parse(Golden.config(name)).spec().numLayers() - 1;
        EditedCheckpoint edited = EditedCheckpoint.golden(name);
        stack(edited, last);
        assertThat(Loading.logits(edited.write(folder))).containsExactly(Loading.logits(GoldenCase.folder(name)));
    }

    @Test
    void mixtralsModuleMayBeRenamedOrNotWhateverTheLayout() throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden("mixtral-a");
        stackExperts(edited, "model.layers.0.block_sparse_moe.", "model.layers.0.block_sparse_moe.");
        edited.rename(name -> name.replace("layers.1.block_sparse_moe.", "layers.1.mlp."));
        assertThat(edited.tensors())
                .containsKeys(
                        "model.layers.0.block_sparse_moe.experts.gate_up_proj",
                        "model.layers.1.mlp.experts.7.w3.weight");
        assertThat(Loading.logits(edited.write(folder)))
                .containsExactly(Loading.logits(GoldenCase.folder("mixtral-a")));
    }

    @Test
    void anExpertThatStandsInBothLayoutsIsUnexpected() throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden("olmoe-a");
        String one = "model.layers.1.mlp.experts.0.gate_proj.weight";
        Tensor gate = edited.tensor(one);
        stack(edited, 1);
        Path written = edited.put(one, gate).write(folder);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessageEndingWith("\n  1 unexpected: " + one);
    }

    @Test
    void aStackWithTheAxesOfAnotherLibraryIsMisshaped() throws IOException {
        // [N, n, 2m], as some fine-tuners keep them
        String stack = "model.layers.0.mlp.experts.gate_up_proj";
        EditedCheckpoint edited = EditedCheckpoint.golden("olmoe-a");
        stack(edited, 0);
        edited.put(stack, Tensor.of(edited.remove(stack).values(), 8, 32, 40));
        Path written = edited.write(folder);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessageEndingWith("\n  1 misshaped: " + stack + " is [8, 32, 40], the config says [8, 40, 32]");
    }
}
