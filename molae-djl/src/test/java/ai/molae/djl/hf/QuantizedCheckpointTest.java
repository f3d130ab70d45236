package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.hf.EditedCheckpoint.Tensor;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.SafetensorsException;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Checkpoints in other element types, down to DeepSeek-V3's 8 bits with a factor for each block. */
class QuantizedCheckpointTest {

    private static final String UP = "model.layers.1.mlp.experts.2.up_proj.weight";

    private final NDManager manager = NDManager.newBaseManager();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    /** Every linear layer that DeepSeek-V3 quantises: all but embedding, head and router. */
    private static boolean isQuantised(String tensor, Tensor value) {
        return value.shape().size() == 2 && tensor.startsWith("model.layers.") && !tensor.endsWith("gate.weight");
    }

    /** Quantises, and makes an unquantised twin of exactly the numbers that then stand in the file. */
    static EditedCheckpoint quantise(EditedCheckpoint edited, EditedCheckpoint twin, int rows, int columns) {
        List<String> linears = edited.tensors().entrySet().stream()
                .filter(e -> isQuantised(e.getKey(), e.getValue()))
                .map(e -> e.getKey())
                .toList();
        for (String name : linears) {
            Tensor weight = edited.tensor(name);
            int out = Math.toIntExact(weight.shape().get(0));
            int in = Math.toIntExact(weight.shape().get(1));
            int across = (in + columns - 1) / columns;
            float[] scales = new float[(out + rows - 1) / rows * across];
            for (int i = 0; i < weight.values().length; i++) {
                int block = i / in / rows * across + i % in / columns;
                // 448 is the largest number
                scales[block] = Math.max(scales[block], Math.abs(weight.values()[i]) / 448);
            }
            float[] eight = new float[weight.values().length];
            float[] product = new float[eight.length];
            for (int i = 0; i < eight.length; i++) {
                float scale = scales[i / in / rows * across + i % in / columns];
                eight[i] = EditedCheckpoint.roundedToF8(weight.values()[i] / scale);
                product[i] = scale * eight[i];
            }
            edited.put(name, Tensor.of(eight, out, in).as(TensorType.F8_E4M3))
                    .put(name + "_scale_inv", Tensor.of(scales, scales.length / across, across));
            twin.put(name, Tensor.of(product, out, in));
        }
        return edited.config(
                "quantization_config",
                "{\"quant_method\": \"fp8\", \"fmt\": \"e4m3\", \"activation_scheme\": \"dynamic\", \"weight_block_size\": ["
                        + rows + ", " + columns + "]}");
    }

    @ParameterizedTest
    @CsvSource({"deepseek_v3-a, 128, 128", "deepseek_v3-a, 7, 5", "qwen3_moe-a, 16, 8"})
    void blockScaledWeightsAreExactlyScaleTimesNumber(String name, int rows, int columns) throws IOException {
        EditedCheckpoint twin = EditedCheckpoint.golden(name);
        Path eight =
                quantise(EditedCheckpoint.golden(name), twin, rows, columns).write(folder.resolve("eight"));
        Path plain = twin.write(folder.resolve("plain"));
        CausalLm quantised = Loading.load(manager, eight);
        CausalLm expected = Loading.load(manager, plain);
        quantised.parametersByPath().forEach((path, parameter) -> assertThat(
                        parameter.getArray().toFloatArray())
                .as(path)
                .containsExactly(
                        expected.parametersByPath().get(path).getArray().toFloatArray()));
        float[] logits = Loading.logits(quantised);
        assertThat(logits).containsExactly(Loading.logits(expected));
        assertThat(Loading.distance(logits, Loading.logits(GoldenCase.folder(name))))
                .isBetween(1e-4, 0.5);
    }

    @Test
    void stackedExpertsBesideQuantisedLayersAreRead() throws IOException {
        EditedCheckpoint twin = EditedCheckpoint.golden("deepseek_v3-a");
        EditedCheckpoint edited = quantise(EditedCheckpoint.golden("deepseek_v3-a"), twin, 128, 128);
        List<String> experts = new ArrayList<>(edited.tensors().keySet());
        experts.removeIf(name -> !name.contains(".experts."));
        experts.forEach(edited::remove);
        twin.tensors().forEach((name, tensor) -> {
            if (name.contains(".experts.")) {
                edited.put(name, tensor);
            }
        });
        StackedExpertsTest.stack(edited, 1);
        assertThat(Loading.logits(edited.write(folder.resolve("eight"))))
                .containsExactly(Loading.logits(twin.write(folder.resolve("plain"))));
    }

    private Path quantised(String change) throws IOException {
        EditedCheckpoint golden = EditedCheckpoint.golden("deepseek_v3-a");
        EditedCheckpoint edited = quantise(EditedCheckpoint.golden("deepseek_v3-a"), golden, 128, 128);
        switch (change) {
            case "orphan" -> edited.remove(UP);
            case "not quantised" -> edited.put(UP, golden.tensor(UP));
            case "without scale" -> edited.remove(UP + "_scale_inv");
            case "another block size" -> edited.config(
                    "quantization_config", "{\"quant_method\": \"fp8\", \"weight_block_size\": [8, 128]}");
            default -> throw new IllegalArgumentException(change);
        }
        return edited.write(folder);
    }

    @Test
    void aScaleWithoutItsWeightIsUnexpected() throws IOException {
        Path written = quantised("orphan");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessageEndingWith("\n  1 missing: " + UP + " [12, 32]\n  1 unexpected: " + UP + "_scale_inv");
    }

    @Test
    void aScaleOfAWeightThatIsNotQuantisedIsUnexpected() throws IOException {
        Path written = quantised("not quantised");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessageEndingWith("\n  1 unexpected: " + UP + "_scale_inv");
    }

    @Test
    void aQuantisedWeightWithoutItsScaleLacksIt() throws IOException {
        Path written = quantised("without scale");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Checkpoint.open(written))
                .withMessageEndingWith(
                        "\n  1 missing: " + UP + "_scale_inv of the 8-bit floats of " + UP + " [12, 32]");
    }

    @Test
    void scalesOfAnotherBlockSizeAreRefusedWithBothShapes() throws IOException {
        Path written = quantised("another block size");
        assertThatThrownBy(() -> Checkpoint.open(written))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining("blocks of 8 x 128 need F32 ")
                .hasMessageContaining("is weight_block_size another?");
    }

    @Test
    void quantisedWeightsCanBePackedInAnotherPrecision() throws IOException {
        EditedCheckpoint twin = EditedCheckpoint.golden("deepseek_v3-a");
        Path eight = quantise(EditedCheckpoint.golden("deepseek_v3-a"), twin, 128, 128)
                .write(folder.resolve("eight"));
        Path plain = twin.write(folder.resolve("plain"));
        assertThat(Loading.logits(Loading.loadForInference(manager, eight, Precision.INT8)))
                .containsExactly(Loading.logits(Loading.loadForInference(manager, plain, Precision.INT8)));
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenConfigTest#cases")
    void doublesAreReadAsTheFloatsNearestToThem(String name) throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden(name).change(tensor -> true, t -> t.as(TensorType.F64));
        assertThat(Loading.logits(edited.write(folder))).containsExactly(Loading.logits(GoldenCase.folder(name)));
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenConfigTest#cases")
    void halvesAreReadExactly(String name) throws IOException {
        EditedCheckpoint halves = EditedCheckpoint.golden(name).change(tensor -> true, t -> t.as(TensorType.F16));
        EditedCheckpoint rounded = EditedCheckpoint.golden(name)
                .change(tensor -> true, t -> new Tensor(TensorType.F32, t.shape(), roundedToHalf(t.values())));
        assertThat(Loading.logits(halves.write(folder.resolve("halves"))))
                .containsExactly(Loading.logits(rounded.write(folder.resolve("rounded"))));
    }

    /** To eleven digits; golden weights are neither too large nor, for what it would change, too small for a half. */
    private static float[] roundedToHalf(float[] values) {
        float[] rounded = values.clone();
        for (int i = 0; i < rounded.length; i++) {
            double step = Math.scalb(1.0, Math.max(Math.getExponent(values[i]), -14) - 10);
            rounded[i] = (float) (Math.rint(values[i] / step) * step);
        }
        assertThat(Arrays.equals(rounded, values)).isFalse();
        return rounded;
    }
}
