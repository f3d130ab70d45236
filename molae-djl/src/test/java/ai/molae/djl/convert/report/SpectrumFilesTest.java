package ai.molae.djl.convert.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.molae.djl.convert.OperatorSpectrum;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.convert.Weighting;
import ai.molae.djl.json.StrictJson;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model of n = 4, m = 2, N = 4, K = 2 in two groups of two, so that a stack is 4 × 4, unless a test says otherwise. */
class SpectrumFilesTest {

    private static final double[] SPREAD = {4, 3, 2, 1};
    private static final double[] ONE = {10, 0, 0, 0};

    private static MoeSpec moe(int n, int m, int experts) {
        return MoeSpec.builder()
                .setHiddenSize(n)
                .setIntermediateSize(m)
                .setNumExperts(experts)
                .setTopK(2)
                .build();
    }

    private static ModelSpec model(MoeSpec moe, int layers) {
        return ModelSpec.builder()
                .setVocabSize(10)
                .setAttention(new LatentAttentionSpec(1, 0, 2, 2, 2, 2, 1e4))
                .addLayers(1, DenseSpec.swiglu(moe.hiddenSize(), 8))
                .addLayers(layers, moe)
                .build();
    }

    private static List<OperatorSpectrum> layer(int layer, double[]... groups) {
        List<OperatorSpectrum> spectra = new ArrayList<>();
        for (ExpertOperator operator : ExpertOperator.values()) {
            for (int group = 0; group < groups.length; group++) {
                spectra.add(new OperatorSpectrum(layer, operator, group, 2, 2, 4, groups[group]));
            }
        }
        return spectra;
    }

    private static SpectrumReport report(double[]... groups) {
        return new SpectrumReport("tiny", model(moe(4, 2, 4), 1), Weighting.NONE, layer(1, groups));
    }

    /** Energies by rank: 14, 17, 19, 20 of 20. Break-even: 4·2·4/(4·2 + 2·4) = 2, so 1; the groups' least is 4 of 10. */
    @Test
    void energiesOfTheGroupsAddUp() {
        LayerSpectrum spectrum = LayerSpectrum.of(report(SPREAD, ONE)).get(0);

        assertThat(spectrum.kept(1)).isCloseTo(0.7, within(1e-12));
        assertThat(spectrum.kept(2)).isCloseTo(0.85, within(1e-12));
        assertThat(spectrum.kept(9)).isEqualTo(1);
        assertThat(spectrum.leastKept(1)).isCloseTo(0.4, within(1e-12));
        assertThat(spectrum.breakEvenRank()).isEqualTo(1);
        assertThat(spectrum.rankFor(0.7)).isEqualTo(1);
        assertThat(spectrum.rankFor(0.9)).isEqualTo(3);
        assertThat(spectrum.rankFor(0.99)).isEqualTo(4);
        assertThat(spectrum.randomFloor(2)).isCloseTo(new RandomFloor(4, 4).kept(2), within(1e-12));
    }

    @Test
    void theTableHasTheNumbersOfEveryOperator() {
        String floor = Texts.percent(new RandomFloor(4, 4).kept(1), 1);

        assertThat(SpectrumFiles.markdown(report(SPREAD, ONE)))
                .startsWith("# Spectra of tiny\n\nNorm: Frobenius.")
                .contains(
                        "| layer | operator | n | m | groups | break-even r | break-even k at r = m | r = n/8 | r = n/4 |")
                .contains(
                        "| 1 | gate | 4 | 2 | 2 of 2 | 1 | 2.00 | 70.0 % | 70.0 % | 70.0 % | 85.0 % | 70.0 % | 40.0 % | "
                                + floor + " | 3 | 4 |")
                .contains("| 1 | up |", "| 1 | down |")
                .doesNotContain("planned");
    }

    /**
     * Parameters of an operator 4·2·r + 2·4·r over 4·2·4; FLOPs 2·2·r + E[D]·4·r over 2·2·4, with E[D] = 2 (1 − 1/C(4, 2)) = 5/3. At r = m = 2 they
     * are 1 and 4/3.
     */
    @Test
    void sizeAndSpeedArePredicted() {
        assertThat(SpectrumFiles.markdown(report(SPREAD, ONE)))
                .contains("| layer 1 | 1 = n/8 = n/4 = m/2 = break-even | 0.500 | 0.667 | 1.667 |")
                .contains("| layer 1 | 2 = m | 1.000 | 1.333 | 1.667 |");
    }

    @Test
    void aPlanIsPredictedToo() {
        MoeSpec moe = moe(4, 2, 4);
        MoeSpec planned = moe.withLatent(LatentSpec.builder()
                .setGroupSize(2)
                .optLatentSize(ExpertOperator.DOWN, 1)
                .build());
        ModelSpec model = model(moe, 1);
        SpectrumReport report = new SpectrumReport(
                "tiny", model, Weighting.NONE, layer(1, SPREAD, ONE), Optional.of(model.mapMoe(spec -> planned)));

        // Two dense operators and one of half the parameters: 2.5/3. FLOPs (2 + 2/3)/3.
        assertThat(SpectrumFiles.markdown(report))
                .contains("| layer 1 | planned: down 1 | 0.833 | 0.889 | 1.667 |")
                .contains("| dense | 100.0 % |\n", "| 1 | 70.0 % |\n");
        assertThat(StrictJson.parse(SpectrumFiles.json(report)).has("planned")).isTrue();
    }

    /** Equal energies keep a quarter in a quarter of the dimensions, less than any random matrix. */
    @Test
    void warnsWhereTheExpertsShareNoSubspace() {
        double[] flat = {1, 1, 1, 1};
        double[] shared = {97, 1, 1, 1};
        List<OperatorSpectrum> spectra = new ArrayList<>(layer(1, flat, flat));
        spectra.addAll(layer(2, shared, shared));
        spectra.addAll(layer(3, flat, flat));
        SpectrumReport report = new SpectrumReport("tiny", model(moe(4, 2, 4), 3), Weighting.NONE, spectra);
        String floor = Texts.percent(new RandomFloor(4, 4).kept(1), 1);

        assertThat(SpectrumFiles.markdown(report))
                .contains(
                        "- **Warning:** Down of layers 1, 3: even the break-even rank (1) keeps 25.0 % of the energy, and random"
                                + " matrices would keep " + floor + ".")
                .doesNotContain("of layers 1–3:");
    }

    /** With k = 2 = n/(n − m) nothing is saved at r = m, and with k = 4 it is. */
    @Test
    void warnsWhereGroupsAreTooSmall() {
        assertThat(SpectrumFiles.markdown(report(ONE, ONE)))
                .contains(
                        "- **Warning:** Layer 1: groups of 2 experts save no parameters at r = m = 2, where a group must have more than"
                                + " n/(n − m) = 2; the largest latent size that saves any is r = 1.");
        List<OperatorSpectrum> oneGroup =
                List.of(new OperatorSpectrum(1, ExpertOperator.UP, 0, 4, 2, 4, new double[] {9, 0, 0, 0}));
        assertThat(SpectrumFiles.markdown(new SpectrumReport("tiny", model(moe(4, 2, 4), 1), Weighting.NONE, oneGroup)))
                .doesNotContain("Warning");
    }

    /** 2·6·4/(2·6 + 1·4) = 3, so r = 2; a token of both experts: (2·6·2 + 4·2)/(2·6·4) = 2/3. */
    @Test
    void warnsWhereExpertsAreWiderThanTheModel() {
        List<OperatorSpectrum> spectra = List.of(new OperatorSpectrum(1, ExpertOperator.UP, 0, 2, 6, 4, ONE));

        assertThat(SpectrumFiles.markdown(new SpectrumReport("wide", model(moe(4, 6, 2), 1), Weighting.NONE, spectra)))
                .contains(
                        "- **Warning:** Layer 1: experts are as wide as the model or wider (m = 6, n = 4), so r = m saves no parameters"
                                + " however large the groups; the largest latent size that saves any is r = 2.")
                .contains("| 1 | up | 4 | 6 | 1 of 2 | 2 | none |")
                .doesNotContain("times the FLOPs");
    }

    /**
     * n = 8, m = 4, 8 experts in 2 groups of 4: parameters at r = m are 4/8 + 1/4. With K = 2 of them E[D] = 2 (1 − C(4, 2)/C(8, 2)) = 11/7, FLOPs
     * 4/8 + 11/14.
     */
    @Test
    void warnsWhereATokenNeedsMoreFlopsThoughParametersAreSaved() {
        double[] energies = {1, 0, 0, 0, 0, 0, 0, 0};
        List<OperatorSpectrum> spectra = new ArrayList<>();
        for (ExpertOperator operator : ExpertOperator.values()) {
            for (int group = 0; group < 2; group++) {
                spectra.add(new OperatorSpectrum(1, operator, group, 4, 4, 8, energies));
            }
        }
        assertThat(SpectrumFiles.markdown(new SpectrumReport("tiny", model(moe(8, 4, 8), 1), Weighting.NONE, spectra)))
                .contains(
                        "- **Warning:** Layer 1: at r = 4 the routed experts need 1.286 times the FLOPs of a token (with 0.750 times the"
                                + " parameters), as its K = 2 experts lie in 1.571 groups on average");
    }

    @Test
    void thePageHasChartsAndLoadsNothing() {
        String html = SpectrumFiles.html(report(SPREAD, ONE));

        Markup.assertPage(html);
        assertThat(html)
                .contains("<b>Energy kept at the break-even rank</b>", "<b>Rank for 90 % of the energy</b>")
                .contains(
                        "<b>Layer 1</b>",
                        ">random matrices</i>",
                        ">break-even</i>",
                        "<ul class=warnings><li>Layer 1: groups")
                .contains("<td>85.0 %</td>");
    }

    @Test
    void namesAreNeverMarkup() {
        String evil = "<img src=x>|`a`_b_\n# c";
        SpectrumReport report =
                new SpectrumReport(evil, model(moe(4, 2, 4), 1), Weighting.SCALES, layer(1, SPREAD, ONE));

        Markup.assertPage(SpectrumFiles.html(report));
        assertThat(SpectrumFiles.html(report)).doesNotContain("<img").contains("&lt;img src=x&gt;");
        assertThat(SpectrumFiles.markdown(report))
                .startsWith("# Spectra of &lt;img src=x\\>\\|\\`a\\`\\_b\\_ \\# c\n\nNorm: scales.")
                .contains("even random experts keep more");
        assertThat(StrictJson.parse(SpectrumFiles.json(report)).get("source").getAsString())
                .isEqualTo(evil);
    }

    @Test
    void jsonHasEveryGroup() {
        JsonObject gate = StrictJson.parse(SpectrumFiles.json(report(SPREAD, ONE)))
                .getAsJsonArray("operators")
                .get(0)
                .getAsJsonObject();

        assertThat(gate.get("operator").getAsString()).isEqualTo("gate");
        assertThat(gate.get("break_even_rank").getAsInt()).isEqualTo(1);
        assertThat(gate.getAsJsonArray("curve_kept")).hasToString("[0.0,0.7,0.85,0.95,1.0]");
        JsonObject group = gate.getAsJsonArray("groups").get(0).getAsJsonObject();
        assertThat(group.getAsJsonObject("kept").get("m").getAsDouble()).isCloseTo(0.7, within(1e-12));
        assertThat(StrictJson.parse(SpectrumFiles.json(report(SPREAD, ONE))).getAsJsonArray("warnings"))
                .isNotEmpty();
    }

    /** Experts of zeros keep nothing and lose nothing. */
    @Test
    void noEnergyIsADash() {
        SpectrumReport report = report(new double[4], new double[4]);

        assertThat(SpectrumFiles.markdown(report))
                .contains("| – | – | – | – | – |")
                .doesNotContain("NaN");
        Markup.assertPage(SpectrumFiles.html(report));
        assertThat(SpectrumFiles.json(report)).doesNotContain("NaN").contains("\"kept\":null");
    }

    @Test
    void longSpectraMakeNoLargePage() {
        int n = 7168;
        double[] energies = new double[n];
        Arrays.setAll(energies, j -> 1.0 / (1 + j));
        MoeSpec moe = moe(n, 2048, 256);
        List<OperatorSpectrum> spectra = new ArrayList<>();
        for (int layer = 1; layer <= 8; layer++) {
            for (ExpertOperator operator : ExpertOperator.values()) {
                for (int group = 0; group < 8; group++) {
                    spectra.add(new OperatorSpectrum(layer, operator, group, 32, 2048, n, energies));
                }
            }
        }
        SpectrumReport report = new SpectrumReport("large", model(moe, 8), Weighting.NONE, spectra);

        List<Integer> ranks = LayerSpectrum.of(report).get(0).ranks();
        assertThat(ranks).hasSize(200).startsWith(0, 36, 72).endsWith(n);
        assertThat(SpectrumFiles.html(report)).hasSizeLessThan(120_000);
        assertThat(SpectrumFiles.json(report)).hasSizeLessThan(250_000);
    }

    @Test
    void writesThreeFiles(@TempDir Path folder) throws IOException {
        Path deep = folder.resolve("a/b");
        SpectrumFiles.write(report(SPREAD, ONE), deep);

        try (Stream<Path> files = Files.list(deep)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("spectrum.md", "spectrum.html", "spectrum.json");
        }
        assertThat(deep.resolve("spectrum.html")).content().isEqualTo(SpectrumFiles.html(report(SPREAD, ONE)));
    }

    @Test
    void aSpectrumIsOfAMoeLayer() {
        ModelSpec model = model(moe(4, 2, 4), 1);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> new SpectrumReport("tiny", model, Weighting.NONE, layer(0, ONE)))
                .withMessageContaining("layer 0, which is no MoE layer of the 2 layers");
    }
}
