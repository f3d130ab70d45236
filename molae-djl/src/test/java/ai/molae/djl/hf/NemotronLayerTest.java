package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.hf.EditedCheckpoint.Tensor;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.reference.ReferenceMoe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Single LatentMoE layers out of Nemotron-H checkpoints. */
class NemotronLayerTest {

    private final NDManager manager = NDManager.newBaseManager();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    private MoeBlock load(EditedCheckpoint edited, int layer) throws IOException {
        return Checkpoint.loadNemotronLayer(edited.write(folder), layer, manager, Precision.FLOAT32);
    }

    static double[][] tokens() {
        SplittableRandom random = new SplittableRandom(3);
        double[][] xTn = new double[20][LatentMoeLayer.HIDDEN];
        for (double[] xn : xTn) {
            Arrays.setAll(xn, i -> (float) random.nextGaussian());
        }
        return xTn;
    }

    static double[] infer(NDManager manager, MoeBlock block, double[][] xTn) {
        double[] flat = Arrays.stream(xTn).flatMapToDouble(Arrays::stream).toArray();
        float[] floats = new float[flat.length];
        for (int i = 0; i < flat.length; i++) {
            floats[i] = (float) flat[i];
        }
        NDArray x = manager.create(floats, new Shape(xTn.length, xTn[0].length));
        float[] y = block.forward(new ParameterStore(manager, false), new NDList(x), false)
                .singletonOrThrow()
                .toFloatArray();
        double[] doubles = new double[y.length];
        Arrays.setAll(doubles, i -> y[i]);
        return doubles;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void aLayerIsLatentMoesFormula(int layer) throws IOException {
        EditedCheckpoint edited = LatentMoeLayer.checkpoint();
        LatentMoeLayer formula = LatentMoeLayer.of(edited, layer);
        double[] expected = Arrays.stream(tokens())
                .flatMapToDouble(x -> Arrays.stream(formula.y(x)))
                .toArray();
        MoeBlock block = load(edited, layer);
        assertThat(infer(manager, block, tokens())).containsExactly(expected, within(2e-5));
    }

    @Test
    void aLayerIsTheReferenceOfItsSpec() throws IOException {
        MoeBlock block = load(LatentMoeLayer.checkpoint(), 1);
        Map<String, double[]> parameters = new LinkedHashMap<>();
        block.getDirectParameters().forEach(entry -> {
            float[] values = entry.getValue().getArray().toFloatArray();
            double[] doubles = new double[values.length];
            Arrays.setAll(doubles, i -> values[i]);
            parameters.put(entry.getKey(), doubles);
        });
        double[][] yTn =
                new ReferenceMoe(block.spec(), parameters).forward(tokens()).y();
        assertThat(infer(manager, block, tokens()))
                .containsExactly(
                        Arrays.stream(yTn).flatMapToDouble(Arrays::stream).toArray(), within(2e-5));
    }

    @Test
    void renamedAndStackedItIsTheSameLayer() throws IOException {
        EditedCheckpoint edited = LatentMoeLayer.checkpoint();
        double[] expected = infer(manager, load(edited, 4), tokens());
        edited.rename(name -> name.replace("backbone.", "model."));
        for (String operator : List.of("up_proj", "down_proj")) {
            List<String> parts = new ArrayList<>();
            for (int e = 0; e < LatentMoeLayer.EXPERTS; e++) {
                parts.add("model.layers.4.mixer.experts." + e + "." + operator + ".weight");
            }
            List<Long> shape = edited.tensor(parts.get(0)).shape();
            edited.join(parts, "model.layers.4.mixer.experts." + operator, parts.size(), shape.get(0), shape.get(1));
        }
        assertThat(infer(manager, load(edited, 4), tokens())).containsExactly(expected);
    }

    @Test
    void withoutLatentSizeExpertsReadTheHiddenState() throws IOException {
        EditedCheckpoint edited = LatentMoeLayer.checkpoint().config("moe_latent_size", null);
        edited.tensors().keySet().removeIf(name -> name.contains("latent_proj"));
        edited.change(name -> name.contains(".experts."), tensor -> {
            boolean up = tensor.shape().get(0) == LatentMoeLayer.WIDTH;
            float[] values = new float[LatentMoeLayer.WIDTH * LatentMoeLayer.HIDDEN];
            Arrays.fill(values, 0.1f);
            return up
                    ? Tensor.of(values, LatentMoeLayer.WIDTH, LatentMoeLayer.HIDDEN)
                    : Tensor.of(values, LatentMoeLayer.HIDDEN, LatentMoeLayer.WIDTH);
        });
        LatentMoeLayer formula = LatentMoeLayer.of(edited, 1);
        double[] x = tokens()[0];
        double up = Math.pow(Math.max(0, 0.1f * Arrays.stream(x).sum()), 2);
        // all experts are alike and the weights add up to 2.5
        double routed = 2.5 * LatentMoeLayer.WIDTH * 0.1f * up;
        double[] expected =
                Arrays.stream(formula.shared(x)).map(v -> v + routed).toArray();
        assertThat(infer(manager, load(edited, 1), new double[][] {x})).containsExactly(expected, within(1e-5));
    }

    @Test
    void whatIsNotOfTheLayerIsPassedOver() throws IOException {
        EditedCheckpoint edited = LatentMoeLayer.checkpoint()
                .put("backbone.layers.0.mixer.A_log", Tensor.of(new float[3], 3))
                .put("backbone.layers.11.mixer.gate.weight", Tensor.of(new float[3], 3))
                .put("mtp.layers.1.mixer.gate.weight", Tensor.of(new float[3], 3))
                .put("lm_head.weight", Tensor.of(new float[3], 3));
        assertThat(load(edited, 1).isInitialized()).isTrue();
    }

    @Test
    void aLayerThatIsNoMoeIsRefusedWithThoseThatAre() throws IOException {
        EditedCheckpoint edited = LatentMoeLayer.checkpoint();
        for (int layer : new int[] {-1, 0, 2, 6}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> load(edited, layer))
                    .withMessage("layer " + layer + " of " + folder + " is no MoE layer; those are [1, 4]");
        }
    }

    @Test
    void tensorsThatDoNotFitAreListed() throws IOException {
        EditedCheckpoint edited = LatentMoeLayer.checkpoint()
                .change("backbone.layers.1.mixer.fc1_latent_proj.weight"::equals, Tensor::transposed)
                .put("backbone.layers.1.mixer.routed_norm.weight", Tensor.of(new float[5], 5));
        edited.remove("backbone.layers.1.mixer.experts.3.up_proj.weight");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> load(edited, 1))
                .withMessageEndingWith(
                        "\n  1 missing: backbone.layers.1.mixer.experts.3.up_proj.weight [7, 5]"
                                + "\n  1 unexpected: backbone.layers.1.mixer.routed_norm.weight"
                                + "\n  1 misshaped: backbone.layers.1.mixer.fc1_latent_proj.weight is [12, 5], the config says [5, 12]");
        assertThat(load(edited, 4).isInitialized()).isTrue();
    }

    @Test
    void aConfigThatCannotBeReadIsNamed() throws IOException {
        LatentMoeLayer.checkpoint().config("mlp_bias", true).write(folder);
        Path config = folder.resolve("config.json");
        for (String text : List.of(Files.readString(config), "{", "{\"model_type\": \"mixtral\"}")) {
            Files.writeString(config, text);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Checkpoint.loadNemotronLayer(folder, 1, manager, Precision.FLOAT32))
                    .withMessageStartingWith(config + ": ");
        }
    }
}
