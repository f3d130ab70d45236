package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ExpertOperator;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The part of {@link FamilyTrapsTest} that concerns latents and stacked experts: who reads what, and how to get at one expert. */
class LatentMoeTrapsTest {

    private static final String MIXER = "backbone.layers.1.mixer.";

    private final NDManager manager = NDManager.newBaseManager();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    private MoeBlock load(EditedCheckpoint edited) throws IOException {
        return Checkpoint.loadNemotronLayer(edited.write(folder), 1, manager, Precision.FLOAT32);
    }

    private double[] y(MoeBlock block, double[] x) {
        return NemotronLayerTest.infer(manager, block, new double[][] {x});
    }

    private static void clear(EditedCheckpoint edited, String tensor) {
        Arrays.fill(edited.tensor(MIXER + tensor).values(), 0);
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT32", "FLOAT16"})
    void theSharedExpertReadsAndWritesTheFullHiddenState(Precision precision) throws IOException {
        // vLLM 34087, PaddleFleet 868; the latents are zero, so that there is nothing but the shared expert
        EditedCheckpoint edited = LatentMoeLayer.checkpoint();
        clear(edited, "fc1_latent_proj.weight");
        double[] x = NemotronLayerTest.tokens()[0];
        double[] expected = LatentMoeLayer.of(edited, 1).shared(x);
        MoeBlock block = load(edited);
        assertThat(y(block, x)).containsExactly(expected, within(1e-5));
        block.prepareForInference(precision);
        assertThat(y(block, x)).containsExactly(expected, within(0.02));
    }

    @Test
    void theRouterReadsTheFullHiddenStateAndExpertsTheLatent() throws IOException {
        // The latent sees the first half of x only, the router the second half only.
        EditedCheckpoint edited = LatentMoeLayer.checkpoint();
        clear(edited, "shared_experts.down_proj.weight");
        halve(edited.tensor(MIXER + "fc1_latent_proj.weight").values(), 6, 12);
        halve(edited.tensor(MIXER + "gate.weight").values(), 0, 6);
        LatentMoeLayer formula = LatentMoeLayer.of(edited, 1);
        MoeBlock block = load(edited);
        double[] one = NemotronLayerTest.tokens()[0];
        double[] other = NemotronLayerTest.tokens()[1];
        double[] mixed = one.clone();
        System.arraycopy(other, 6, mixed, 6, 6);
        assertThat(formula.probabilities(other)).isNotEqualTo(formula.probabilities(one));
        assertThat(y(block, mixed)).containsExactly(formula.routed(one, formula.probabilities(other)), within(1e-5));
    }

    /** Clears the columns from one to another. */
    private static void halve(float[] matrix, int from, int to) {
        for (int i = 0; i < matrix.length; i++) {
            int column = i % LatentMoeLayer.HIDDEN;
            matrix[i] = column >= from && column < to ? 0 : matrix[i];
        }
    }

    @Test
    void nothingStandsBetweenTheProjections() throws IOException {
        // neither norm nor bias nor activation: squared ReLU doubles twice, whatever is done linearly before and after
        EditedCheckpoint edited = LatentMoeLayer.checkpoint();
        clear(edited, "shared_experts.down_proj.weight");
        double[] x = NemotronLayerTest.tokens()[2];
        double[] before = y(load(edited), x);
        edited.change((MIXER + "fc1_latent_proj.weight")::equals, LatentMoeTrapsTest::doubled);
        double[] fourfold = Arrays.stream(before).map(v -> 4 * v).toArray();
        assertThat(y(load(edited), x)).containsExactly(fourfold, within(1e-5));
        edited.change((MIXER + "fc2_latent_proj.weight")::equals, LatentMoeTrapsTest::doubled);
        double[] eightfold = Arrays.stream(before).map(v -> 8 * v).toArray();
        assertThat(y(load(edited), x)).containsExactly(eightfold, within(1e-5));
    }

    private static EditedCheckpoint.Tensor doubled(EditedCheckpoint.Tensor tensor) {
        float[] twice = tensor.values().clone();
        for (int i = 0; i < twice.length; i++) {
            twice[i] *= 2;
        }
        return new EditedCheckpoint.Tensor(tensor.type(), tensor.shape(), twice);
    }

    // ---- stacked experts: transformers' stacks broke LoRA and quantisation (peft 3009, bitsandbytes 1849) ----

    private static MoeBlock block(CausalLm model, int layer) {
        return (MoeBlock) model.layers().get(layer).feedForward();
    }

    @Test
    void anExpertsMatrixIsTheTensorOfTheCheckpoint() throws IOException {
        EditedCheckpoint golden = EditedCheckpoint.golden("mixtral-a");
        MoeBlock block = block(Loading.load(manager, GoldenCase.folder("mixtral-a")), 1);
        Map<ExpertOperator, String> names =
                Map.of(ExpertOperator.GATE, "w1", ExpertOperator.UP, "w3", ExpertOperator.DOWN, "w2");
        for (int e = 0; e < 8; e++) {
            int expert = e;
            names.forEach((operator, name) -> {
                EditedCheckpoint.Tensor tensor =
                        golden.tensor("model.layers.1.block_sparse_moe.experts." + expert + "." + name + ".weight");
                NDArray matrix = ExpertMatrices.of(manager, block, expert, operator);
                assertThat(matrix.getShape().getShape())
                        .containsExactly(
                                tensor.shape().stream().mapToLong(s -> s).toArray());
                assertThat(matrix.toFloatArray()).containsExactly(tensor.values());
            });
        }
    }

    @ParameterizedTest
    @CsvSource({"GATE, gate_up, 0", "UP, gate_up, 512", "DOWN, down, 0"})
    void anExpertsMatrixIsAViewOfTheStack(ExpertOperator operator, String stack, int behind) throws IOException {
        MoeBlock block = block(Loading.load(manager, GoldenCase.folder("qwen3_moe-a")), 0);
        NDArray array = block.getDirectParameters().get(stack).getArray();
        float[] expected = array.toFloatArray();
        // [8, 2 · 16, 32] or [8, 32, 16]; every matrix has 512 elements
        int from = 3 * expected.length / 8 + behind;
        for (int i = from; i < from + 512; i++) {
            expected[i] *= 2;
        }
        ExpertMatrices.of(manager, block, 3, operator).muli(2);
        assertThat(array.toFloatArray()).containsExactly(expected);
    }
}
