package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A model packed as it is read is the model that was loaded, up to what its weights lose. */
class LoadForInferenceTest {

    private final NDManager manager = NDManager.newBaseManager();

    @TempDir
    private Path folder;

    @AfterEach
    void close() {
        manager.close();
    }

    static Stream<Arguments> everyCaseInEveryPrecision() {
        return Golden.CASES.stream()
                .filter(name -> !name.equals("deepseek_v2-c"))
                .flatMap(name -> Arrays.stream(Precision.values()).map(precision -> Arguments.of(name, precision)));
    }

    private static double tolerance(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 1e-5;
            case FLOAT16 -> 3e-3;
            case BFLOAT16, INT8 -> 0.1;
        };
    }

    @ParameterizedTest
    @MethodSource("everyCaseInEveryPrecision")
    void itsLogitsAreThoseOfTheLoadedModelUpToRounding(String name, Precision precision) throws IOException {
        Path golden = GoldenCase.folder(name);
        CausalLm packed = Loading.loadForInference(manager, golden, precision);
        float[] exact = Loading.logits(golden);
        assertThat(Loading.distance(Loading.logits(packed), exact)).isLessThan(tolerance(precision));
        assertThat(packed.preparedPrecision()).contains(precision);
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenConfigTest#cases")
    void itGeneratesTheTokensOfHuggingFace(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        JsonObject greedy = golden.json().getAsJsonObject("greedy");
        int[] expected = GoldenCase.row(greedy.getAsJsonArray("tokens"));
        CausalLm packed = Loading.loadForInference(manager, golden.folder(), Precision.FLOAT32);
        assertThat(new Generator(packed)
                        .generate(GoldenCase.row(greedy.getAsJsonArray("prompt")), Sampling.greedy(expected.length)))
                .containsExactly(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "deepseek_v3-a, model.embed_tokens.weight, embed_tokens, INT8",
        "deepseek_v3-a, model.layers.2.mlp.experts.7.down_proj.weight, down, FLOAT16",
        "deepseek_v3-a, model.layers.1.self_attn.kv_b_proj.weight, kv_b_proj, INT8",
        "mixtral-a, lm_head.weight, lm_head, FLOAT16"
    })
    void aWeightThatIsNoNumberIsRefusedByName(String name, String tensor, String parameter, Precision precision)
            throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden(name);
        edited.tensor(tensor).values()[5] = Float.NaN;
        Path written = edited.write(folder);
        NDManager owner = manager.newSubManager();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Loading.loadForInference(owner, written, precision))
                .withMessageContaining("parameter " + parameter + " has a value of magnitude NaN");
        owner.close();
        assertThat(manager.getManagedArrays()).isEmpty();
        Loading.loadForInference(manager, written, Precision.BFLOAT16);
    }
}
