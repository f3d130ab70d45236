package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.cost.CostModel;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What holds of every conversion, measured on the checkpoint that it writes. */
class ConversionPropertiesTest {

    private static final ExpertGroups SHUFFLED = new ExpertGroups(List.of(0, 1, 1, 0, 1, 0, 0, 1));

    @TempDir
    private Path folder;

    private Path random(long seed) throws IOException {
        return SmallMoe.save(folder.resolve("moe"), seed);
    }

    private Path planted(MoeSpec moe, ExpertGroups groups, int dimension) throws IOException {
        return SmallMoe.save(SmallMoe.spec(moe), folder.resolve("moe"), 1, SmallMoe.planted(groups, dimension, 2));
    }

    private ConversionReport convert(Path source, ConversionMethod method) throws IOException {
        return SmallMoe.converter(source, folder.resolve("molae"), method)
                .build()
                .convert();
    }

    private void assertSameModel(Path source, ConversionReport report) throws IOException {
        assertThat(report.layers()).hasSize(2).allSatisfy(layer -> assertThat(layer.errors())
                .containsOnlyKeys(layer.before().operators())
                .allSatisfy(
                        (operator, error) -> assertThat(error.relativeError()).isLessThan(1e-5)));
        assertThat(Logits.largestDifference(
                        Logits.of(source, SmallMoe.TOKENS), Logits.of(folder.resolve("molae"), SmallMoe.TOKENS)))
                .isLessThan(1e-4);
    }

    @ParameterizedTest
    @EnumSource(names = {"NONE", "SCALES"})
    void commonSpacesOfAllOperatorsAreFoundInShuffledGroups(Weighting weighting) throws IOException {
        Path source = planted(SmallMoe.MOE, SHUFFLED, 5);
        ConversionMethod method = ConversionMethod.builder()
                .setRanks(SmallMoe.rank(5))
                .optGroups(new GroupPolicy(GroupPolicy.Kind.SUBSPACE, 4, true))
                .optWeighting(weighting)
                .build();

        ConversionReport report = convert(source, method);

        assertThat(report.layers())
                .allSatisfy(layer -> assertThat(layer.after().expertGroups()).isEqualTo(SHUFFLED));
        assertSameModel(source, report);
    }

    @Test
    void plantedGroupsOfUnequalSizesAreFound() throws IOException {
        ExpertGroups unequal = new ExpertGroups(List.of(0, 1, 0, 0, 0, 0, 1, 0));
        Path source = planted(SmallMoe.MOE, unequal, 4);
        ConversionMethod method = ConversionMethod.builder()
                .setRanks(SmallMoe.rank(4))
                .optGroups(new GroupPolicy(GroupPolicy.Kind.SUBSPACE, 4, false))
                .build();

        ConversionReport report = convert(source, method);

        assertThat(report.layers())
                .allSatisfy(layer -> assertThat(layer.after().expertGroups()).isEqualTo(unequal));
        assertSameModel(source, report);
    }

    @Test
    void commonSpacesOfUngatedExpertsAreFound() throws IOException {
        MoeSpec ungated = SmallMoe.MOE.toBuilder()
                .optGated(false)
                .optActivation(Activation.RELU_SQUARED)
                .build();
        Path source = planted(ungated, ExpertGroups.contiguous(8, 4), 5);

        for (Weighting weighting : List.of(Weighting.NONE, Weighting.SCALES)) {
            Path target = folder.resolve("molae-" + weighting);
            ConversionReport report = SmallMoe.converter(
                            source,
                            target,
                            SmallMoe.method(SmallMoe.rank(5), 4)
                                    .optWeighting(weighting)
                                    .build())
                    .build()
                    .convert();
            assertThat(report.layers()).allSatisfy(layer -> assertThat(layer.errors())
                    .containsOnlyKeys(ExpertOperator.UP, ExpertOperator.DOWN)
                    .allSatisfy((o, error) -> assertThat(error.relativeError()).isLessThan(1e-5)));
            assertThat(Logits.largestDifference(Logits.of(source, SmallMoe.TOKENS), Logits.of(target, SmallMoe.TOKENS)))
                    .isLessThan(1e-4);
        }
    }

    @Test
    void thePaperLeavesDownAsItIsBitByBit() throws IOException {
        Path source = random(3);

        ConversionReport report = convert(source, ConversionMethod.paper(0.8));

        for (int layer : new int[] {0, 2}) {
            Map<ExpertOperator, float[]> before = SmallMoe.experts(source, layer);
            Map<ExpertOperator, float[]> after = SmallMoe.experts(folder.resolve("molae"), layer);
            assertThat(after.get(ExpertOperator.DOWN)).isEqualTo(before.get(ExpertOperator.DOWN));
            assertThat(after.get(ExpertOperator.UP)).isNotEqualTo(before.get(ExpertOperator.UP));
        }
        assertThat(report.layers()).allSatisfy(layer -> {
            assertThat(layer.errors()).containsOnlyKeys(ExpertOperator.GATE, ExpertOperator.UP);
            assertThat(layer.after().expertGroups()).isEqualTo(ExpertGroups.contiguous(8, 8));
        });
    }

    @Test
    void errorsInTheReportAreThoseOfTheFilesAndTailsOfTheSpectrum() throws IOException {
        Path source = random(4);
        ConversionMethod method = SmallMoe.method(SmallMoe.rank(7), 4).build();

        ConversionReport report = convert(source, method);

        SpectrumReport spectrum =
                SmallMoe.converter(source, Path.of(""), method).build().spectrum();
        for (LayerConversion layer : report.layers()) {
            Map<ExpertOperator, float[]> before = SmallMoe.experts(source, layer.layer());
            Map<ExpertOperator, float[]> after = SmallMoe.experts(folder.resolve("molae"), layer.layer());
            layer.errors().forEach((operator, error) -> {
                double squared = error.relativeError() * error.relativeError();
                double total = SmallMoe.energy(before.get(operator));
                assertThat(squared * total / SmallMoe.error(before.get(operator), after.get(operator)))
                        .isCloseTo(1, within(1e-4));
                double tail = 0;
                double energy = 0;
                for (OperatorSpectrum one : spectrum.spectra()) {
                    if (one.layer() == layer.layer() && one.operator() == operator) {
                        assertThat(one.experts()).isEqualTo(4);
                        for (int j = 0; j < one.energies().length; j++) {
                            energy += one.energies()[j];
                            tail += j < 7 ? 0 : one.energies()[j];
                        }
                    }
                }
                assertThat(energy / total).isCloseTo(1, within(1e-6));
                assertThat(squared * total / tail).isCloseTo(1, within(1e-5));
            });
        }
    }

    @Test
    void tiedGateAndUpHaveTheErrorOfTheirCommonSpectrum() throws IOException {
        Path source = random(5);
        ConversionMethod method =
                SmallMoe.method(SmallMoe.rank(9), 4).optTiedGateUp(true).build();

        ConversionReport report = convert(source, method);

        SpectrumReport spectrum =
                SmallMoe.converter(source, Path.of(""), method).build().spectrum();
        assertThat(spectrum.spectra())
                .extracting(OperatorSpectrum::operator)
                .containsOnly(ExpertOperator.GATE, ExpertOperator.DOWN);
        for (LayerConversion layer : report.layers()) {
            assertThat(layer.after().latent().orElseThrow().tiedGateUp()).isTrue();
            Map<ExpertOperator, float[]> before = SmallMoe.experts(source, layer.layer());
            double error = 0;
            for (ExpertOperator operator : List.of(ExpertOperator.GATE, ExpertOperator.UP)) {
                error += Math.pow(layer.errors().get(operator).relativeError(), 2)
                        * SmallMoe.energy(before.get(operator));
            }
            double tail = spectrum.spectra().stream()
                    .filter(one -> one.layer() == layer.layer() && one.operator() == ExpertOperator.GATE)
                    .mapToDouble(one -> {
                        double sum = 0;
                        for (int j = 9; j < one.energies().length; j++) {
                            sum += one.energies()[j];
                        }
                        return sum;
                    })
                    .sum();
            assertThat(error / tail).isCloseTo(1, within(1e-5));
        }
    }

    @ParameterizedTest
    @CsvSource({"NONE, 0", "SCALES, 0", "SCALES, 4"})
    void threadsChangeNothing(Weighting weighting, int refinementSteps) throws IOException {
        Path source = random(6);
        ConversionMethod method = ConversionMethod.builder()
                .setRanks(new RankPolicy.Budget(RankPolicy.Unit.PARAMETERS, 0.6))
                .optGroups(new GroupPolicy(GroupPolicy.Kind.SUBSPACE, 4, true))
                .optWeighting(weighting)
                .optRefinementSteps(refinementSteps)
                .build();
        List<Map<String, String>> results = new ArrayList<>();
        for (int threads : new int[] {1, 4}) {
            Path target = folder.resolve("threads-" + threads);
            SmallMoe.converter(source, target, method)
                    .optThreads(threads)
                    .build()
                    .convert();
            results.add(SmallMoe.bytes(target));
        }
        assertThat(results.get(1)).isEqualTo(results.get(0));
    }

    @Test
    void multipliedOutInBfloat16ItIsTheProductRoundedOnce() throws IOException {
        Path source = random(7);
        ConversionMethod method = SmallMoe.method(SmallMoe.rank(7), 4).build();
        convert(source, method);
        Path standard = folder.resolve("standard");

        SmallMoe.converter(source, standard, method)
                .optMultipliedOut()
                .optType(TensorType.BF16)
                .build()
                .convert();

        try (Checkpoint written = Checkpoint.open(standard);
                Checkpoint original = Checkpoint.open(source)) {
            assertThat(written.spec()).isEqualTo(original.spec());
            assertThat(written.tensors().tensors().values().stream()
                            .filter(tensor -> tensor.name().contains(".experts.")))
                    .hasSize(2 * 8 * 3)
                    .allMatch(tensor -> tensor.type() == TensorType.BF16);
            assertThat(written.tensors()
                            .tensors()
                            .get("model.embed_tokens.weight")
                            .type())
                    .as("what is not converted keeps its type")
                    .isEqualTo(TensorType.F32);
        }
        Map<ExpertOperator, float[]> exact = SmallMoe.experts(folder.resolve("molae"), 2);
        SmallMoe.experts(standard, 2).forEach((operator, rounded) -> assertThat(
                        Math.sqrt(SmallMoe.error(exact.get(operator), rounded) / SmallMoe.energy(rounded)))
                .isBetween(1e-4, 1.0 / 256));
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.35, 0.5, 0.72, 0.9})
    void aUniformRatioGivesTheLargestSizeThatFits(double ratio) throws IOException {
        Path source = random(8);

        ConversionReport report = convert(
                source, SmallMoe.method(new RankPolicy.Uniform(ratio), 4).build());

        for (LayerConversion layer : report.layers()) {
            Set<Integer> sizes = Set.copyOf(
                    layer.after().latent().orElseThrow().latentSizes().values());
            assertThat(sizes).hasSize(1);
            int r = sizes.iterator().next();
            double limit = ratio * routed(layer.before());
            assertThat(routed(layer.after())).isLessThanOrEqualTo(limit);
            LatentSpec more =
                    LatentSpec.builder().setLatentSize(r + 1).setGroupSize(4).build();
            assertThat(routed(layer.before().withLatent(more))).isGreaterThan(limit);
        }
    }

    /** Parameters of the routed experts. */
    private static double routed(MoeSpec moe) {
        return CostModel.layer(moe).parameters() - (double) moe.numExperts() * moe.hiddenSize();
    }

    @ParameterizedTest
    @EnumSource(RankPolicy.Unit.class)
    void aBudgetIsKeptAndSpentBetterThanEvenly(RankPolicy.Unit unit) throws IOException {
        // The second MoE layer has common spaces, the first has none.
        SmallMoe.Change second = SmallMoe.planted(ExpertGroups.contiguous(8, 4), 3, 9);
        Path source =
                SmallMoe.save(SmallMoe.spec(SmallMoe.MOE), folder.resolve("moe"), 10, (parameter, shape, values) -> {
                    if (parameter.startsWith("layers.2.")) {
                        second.apply(parameter, shape, values);
                    }
                });
        ConversionReport even =
                convert(source, SmallMoe.method(new RankPolicy.Uniform(0.6), 4).build());
        double ratio = spent(even, unit, true) / spent(even, unit, false);
        ConversionReport spread = SmallMoe.converter(
                        source,
                        folder.resolve("spread"),
                        SmallMoe.method(new RankPolicy.Budget(unit, ratio), 4).build())
                .build()
                .convert();

        assertThat(spent(spread, unit, true)).isLessThanOrEqualTo(spent(even, unit, true) * (1 + 1e-9));
        assertThat(errors(spread)).isLessThan(0.5 * errors(even));
        assertThat(spread.layers()).filteredOn(layer -> layer.layer() == 2).allSatisfy(layer -> assertThat(
                        layer.errors().values())
                .as("common spaces are kept")
                .allMatch(error -> error.relativeError() < 1e-5));
    }

    /** What a budget minimises: the sum over layers and operators of the share of their energy that is lost. */
    private static double errors(ConversionReport report) {
        return report.layers().stream()
                .flatMap(layer -> layer.errors().values().stream())
                .mapToDouble(error -> error.relativeError() * error.relativeError())
                .sum();
    }

    private static double spent(ConversionReport report, RankPolicy.Unit unit, boolean after) {
        double sum = 0;
        for (int i : new int[] {0, 2}) {
            MoeSpec moe = (MoeSpec)
                    (after ? report.after() : report.before()).feedForwards().get(i);
            sum += unit == RankPolicy.Unit.FLOPS ? flops(moe) : routed(moe);
        }
        return sum;
    }

    /** Of the routed experts for a token, with the groups it meets under uniform routing. */
    private static double flops(MoeSpec moe) {
        double sum = 0;
        // Two of eight experts, groups of four: one or two groups.
        double met = 2 * (1 - (4.0 * 3) / (8 * 7));
        for (ExpertOperator operator : moe.operators()) {
            int r = moe.expertWidth(operator);
            sum += 2.0 * moe.topK() * r * moe.intermediateSize();
            sum += moe.isFactored(operator) ? 2 * met * r * moe.hiddenSize() : 0;
        }
        return sum;
    }

    @Test
    void aBudgetForEverythingChangesNothing() throws IOException {
        Path source = random(11);

        ConversionReport report = convert(
                source,
                SmallMoe.method(new RankPolicy.Budget(RankPolicy.Unit.PARAMETERS, 1), 4)
                        .build());

        assertThat(report.after()).isEqualTo(report.before());
        assertThat(report.layers()).isEmpty();
        assertThat(Logits.of(folder.resolve("molae"), SmallMoe.TOKENS)).isEqualTo(Logits.of(source, SmallMoe.TOKENS));
    }

    @Test
    void groupsLargerThanTheLayerAreTheLayer() throws IOException {
        Path source = random(12);
        convert(source, SmallMoe.method(SmallMoe.rank(6), 64).build());
        Path whole = folder.resolve("whole");
        SmallMoe.converter(source, whole, SmallMoe.method(SmallMoe.rank(6), 0).build())
                .build()
                .convert();

        assertThat(SmallMoe.bytes(folder.resolve("molae"))).isEqualTo(SmallMoe.bytes(whole));
    }

    @Test
    void refinementLowersNoErrorThatIsSmallestAlready() throws IOException {
        Path source = random(13);
        ConversionReport closed =
                convert(source, SmallMoe.method(SmallMoe.rank(6), 4).build());
        ConversionReport refined = SmallMoe.converter(
                        source,
                        folder.resolve("refined"),
                        SmallMoe.method(SmallMoe.rank(6), 4)
                                .optRefinementSteps(5)
                                .build())
                .build()
                .convert();

        for (int i = 0; i < 2; i++) {
            Map<ExpertOperator, OperatorError> before = closed.layers().get(i).errors();
            refined.layers().get(i).errors().forEach((operator, error) -> assertThat(error.relativeError())
                    .isCloseTo(
                            before.get(operator).relativeError(),
                            within(1e-4 * before.get(operator).relativeError())));
        }
    }

    @Test
    void onlySomeOperatorsMayBeFactored() throws IOException {
        Path source = random(14);
        for (ExpertOperator only : ExpertOperator.values()) {
            Path target = folder.resolve("only-" + only);
            SmallMoe.converter(
                            source,
                            target,
                            SmallMoe.method(SmallMoe.rank(6), 4)
                                    .optOperators(EnumSet.of(only))
                                    .build())
                    .build()
                    .convert();
            Map<ExpertOperator, float[]> before = SmallMoe.experts(source, 0);
            SmallMoe.experts(target, 0).forEach((operator, after) -> {
                if (operator == only) {
                    assertThat(after).isNotEqualTo(before.get(operator));
                } else {
                    assertThat(after).isEqualTo(before.get(operator));
                }
            });
        }
    }
}
