package ai.molae.cli.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.DistillationSpec;
import ai.molae.djl.convert.GroupPolicy;
import ai.molae.djl.convert.RankPolicy;
import ai.molae.djl.convert.Weighting;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** From options to a method. */
class ConversionOptionsTest {

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(64)
            .setIntermediateSize(32)
            .setNumExperts(8)
            .setTopK(2)
            .build();

    private static ModelSpec model(MoeSpec moe) {
        return ModelSpec.builder()
                .setVocabSize(16)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(1, DenseSpec.swiglu(64, 16))
                .addLayers(2, moe)
                .optMaxPositionEmbeddings(16)
                .build();
    }

    private static ConversionMethod method(MoeSpec moe, boolean text, String line) {
        ConvertCommand command = new ConvertCommand();
        CommandLine commandLine = new CommandLine(command);
        commandLine.setCaseInsensitiveEnumValuesAllowed(true);
        commandLine.parseArgs(("src dst " + line).strip().split(" "));
        return command.method.method(model(moe), text, text);
    }

    private static ConversionMethod method(String line) {
        return method(MOE, true, line);
    }

    @Test
    void withoutOptionsTheMethodFollowsFromTheText() {
        assertThat(method(MOE, false, "")).isEqualTo(ConversionMethod.dataFree(0.7));
        assertThat(method(MOE, true, "")).isEqualTo(ConversionMethod.calibrated(0.7));
        assertThat(method(MOE, false, "--ratio 0.5")).isEqualTo(ConversionMethod.dataFree(0.5));
    }

    @ParameterizedTest
    @CsvSource({"paper", "data-free", "calibrated", "distilled"})
    void everyMethodHasItsName(String name) {
        ConversionMethod expected = MethodChoice.valueOf(name.replace('-', '_').toUpperCase(Locale.ROOT))
                .method(0.6);
        assertThat(method("--ratio 0.6 --method " + name)).isEqualTo(expected);
    }

    @Test
    void singleSettingsTakeThePlaceOfThoseOfTheMethod() {
        ConversionMethod method = method("--method distilled --operators up,down --groups 4 --grouping co-activation"
                + " --unequal --weighting sensitivity --shrinkage 0.2 --sweeps 3 --refine 50"
                + " --distill 20");

        assertThat(method.operators()).containsExactlyInAnyOrder(ExpertOperator.UP, ExpertOperator.DOWN);
        assertThat(method.groups()).isEqualTo(new GroupPolicy(GroupPolicy.Kind.CO_ACTIVATION, 4, false));
        assertThat(method.weighting()).isEqualTo(Weighting.SENSITIVITY);
        assertThat(method.shrinkage()).isEqualTo(0.2);
        assertThat(method.alternatingSweeps()).isEqualTo(3);
        assertThat(method.refinementSteps()).isEqualTo(50);
        assertThat(method.distillation()).map(DistillationSpec::steps).contains(20);
    }

    @Test
    void whatAMethodDoesCanBeSwitchedOff() {
        assertThat(method("--method distilled --distill 0").distillation()).isEmpty();
        assertThat(method("--method paper --rank-reduction none").rankReduction())
                .isEmpty();
        assertThat(method("--method data-free --rank-reduction latent").rankReduction())
                .isEqualTo(OptionalInt.of(0));
        assertThat(method("--method paper --rank-reduction 7").rankReduction()).isEqualTo(OptionalInt.of(7));
        assertThat(method("--groups all").groups().groupSize()).isZero();
    }

    @Test
    void ranksAreARatioABudgetOrSizes() {
        assertThat(method("--budget bytes --ratio 0.4").ranks())
                .isEqualTo(new RankPolicy.Budget(RankPolicy.Unit.BYTES, 0.4));
        assertThat(method("--budget uniform").ranks()).isEqualTo(new RankPolicy.Uniform(0.7));
        assertThat(method("--latent 12").ranks())
                .isEqualTo(new RankPolicy.Fixed(
                        Map.of(ExpertOperator.GATE, 12, ExpertOperator.UP, 12, ExpertOperator.DOWN, 12)));
        ConversionMethod some = method("--latent up=20,down=9");
        assertThat(some.ranks()).isEqualTo(new RankPolicy.Fixed(Map.of(ExpertOperator.UP, 20, ExpertOperator.DOWN, 9)));
        assertThat(some.operators()).containsExactlyInAnyOrder(ExpertOperator.UP, ExpertOperator.DOWN);
        assertThat(method("--tied --latent gate=9,up=9").tiedGateUp()).isTrue();
    }

    @Test
    void expertsWithoutAGateHaveNoneFactored() {
        MoeSpec ungated = MOE.toBuilder().optGated(false).build();
        assertThat(method(ungated, false, "").operators())
                .containsExactlyInAnyOrder(ExpertOperator.UP, ExpertOperator.DOWN);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> method(ungated, false, "--operators gate,up"))
                .withMessage("--operators names gate, up, the experts have up, down");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--ratio 1.2 | --ratio must be more than 0 and at most 1, got 1.2",
                "--latent 12 --ratio 0.5 | --latent says how wide the latent spaces are, so --ratio cannot",
                "--latent 65 | --latent must be between 1 and 64, got 65",
                "--latent up=x | --latent up=x is no number",
                "--latent side=3 | --latent side=3: the operators are gate, up and down",
                "--latent 12,13 | --latent is one number, or one for each operator",
                "--latent up=3,up=4 | --latent names up twice",
                "--latent up=3 --operators down | --operators names down, --latent has sizes for up",
                "--tied --operators up | --tied shares one projection between gate and up",
                "--tied --latent gate=8,up=9 | --tied needs one latent size for gate and up, --latent has 8 and 9",
                "--groups 9 | --groups must be between 1 and 8, got 9",
                "--groups many | --groups must be a number of experts, or all, got many",
                "--method data-free --unequal | --unequal needs --grouping subspace or co-activation",
                "--rank-reduction 0 | --rank-reduction must be a rank of at least 1",
                "--shrinkage 1 | --shrinkage must be at least 0 and less than 1, got 1.0",
                "--rank-reduction 7 --weighting scales | --rank-reduction goes with plain weights only",
                "--sweeps -1 | --sweeps must be at least 0, got -1",
                "--distill -5 | --distill must be at least 0, got -5",
            })
    void refusesWhatDoesNotFitWithOptionAndNumbers(String line, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> method(line)).withMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--method calibrated | --method calibrated needs text: give some with --calibrate",
                "--weighting frequency | --weighting frequency needs text",
                "--grouping co-activation | --grouping co-activation needs text",
                "--sweeps 2 | --sweeps needs text",
                "--distill 2 | --distill trains on text",
            })
    void withoutTextNothingThatNeedsItIsDone(String line, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> method(MOE, false, line))
                .withMessageContaining(message);
    }

    @Test
    void refusesModelsWithNothingToConvert() {
        MoeSpec factored = MOE.withLatent(
                LatentSpec.builder().setLatentSize(8).setGroupSize(2).build());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> method(factored, false, ""))
                .withMessageContaining("2 of the 2 MoE layers are factored already");
        ModelSpec dense = ModelSpec.builder()
                .setVocabSize(16)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(3, DenseSpec.swiglu(64, 16))
                .optMaxPositionEmbeddings(16)
                .build();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ConversionOptions().method(dense, false, false))
                .withMessageContaining("none of the 3 layers is a MoE layer");
    }
}
