package ai.molae.djl.convert.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.LayerConversion;
import ai.molae.djl.convert.OperatorError;
import ai.molae.djl.json.StrictJson;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A dense layer between two MoE layers of n = 8, m = 4, N = 4, K = 2; the first is factored whole, the other in down only. */
class ConversionFilesTest {

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(8)
            .setIntermediateSize(4)
            .setNumExperts(4)
            .setTopK(2)
            .build();
    private static final MoeSpec WHOLE =
            MOE.withLatent(LatentSpec.builder().setLatentSize(2).setGroupSize(4).build());
    private static final MoeSpec DOWN = MOE.withLatent(new LatentSpec(
            Map.of(ExpertOperator.DOWN, 3), false, 1, Optional.of(new ExpertGroups(List.of(0, 1, 0, 1)))));

    private static ModelSpec model(MoeSpec first, MoeSpec last) {
        return ModelSpec.builder()
                .setVocabSize(10)
                .setAttention(new LatentAttentionSpec(1, 0, 2, 2, 2, 2, 1e4))
                .addLayers(1, first)
                .addLayers(1, DenseSpec.swiglu(8, 16))
                .addLayers(1, last)
                .build();
    }

    private static OperatorError error(int r, double error) {
        return new OperatorError(r, error, OptionalDouble.empty());
    }

    private static ConversionReport report(String source, Map<String, Double> losses) {
        return new ConversionReport(
                source,
                List.of("ranks: uniform 0.7", "groups: <contiguous>"),
                model(MOE, MOE),
                model(WHOLE, DOWN),
                List.of(
                        new LayerConversion(
                                0,
                                MOE,
                                WHOLE,
                                Map.of(
                                        ExpertOperator.DOWN, error(2, 0.5),
                                        ExpertOperator.GATE, error(2, 0.25),
                                        ExpertOperator.UP, new OperatorError(2, 0.125, OptionalDouble.of(0.0625))),
                                OptionalDouble.of(0.375),
                                1.5),
                        new LayerConversion(
                                2,
                                MOE,
                                DOWN,
                                Map.of(ExpertOperator.DOWN, error(3, Double.NaN)),
                                OptionalDouble.empty(),
                                2)),
                losses);
    }

    private static ConversionReport report() {
        return report("tiny", losses());
    }

    private static Map<String, Double> losses() {
        Map<String, Double> losses = new LinkedHashMap<>();
        losses.put("original", Math.log(10));
        losses.put("converted", Math.log(16));
        return losses;
    }

    /**
     * A standard layer has 3·4·4·8 = 384 parameters; the first becomes 3 (4·4·2 + 8·2) = 144, the other 2·128 + 4·4·3 + 2·8·3 = 352. FLOPs of a token's
     * routed experts: 2·3·2·4·8 = 384 each; 2·3 (2·4·2 + 8·2) = 192; 2 (2·64 + 2·4·3 + 8·3 E[D]), E[D] = 2 (1 − 1/6), so 384.
     */
    @Test
    void theTotalsAreThoseOfTheCostModel() {
        assertThat(ConversionFiles.markdown(report()))
                .startsWith("# Conversion of tiny\n")
                .contains("| routed experts' parameters | 768 | 496 | 0.646 |")
                .contains("| routed experts' FLOPs of a token | 768 | 576 | 0.750 |")
                .contains("| parameters | 1,", "| active parameters | 1", "| FLOPs of a token |");
    }

    @Test
    void everyConvertedLayerHasItsRow() {
        assertThat(ConversionFiles.markdown(report()))
                .contains(
                        "| layer | experts | groups | r of gate | r of up | r of down | error of gate | error of up | error of down |"
                                + " weighted, up | error of outputs | parameters before | after | after/before | FLOPs after/before | seconds |")
                .contains(
                        "| 0 | 4 | 1 | 2 | 2 | 2 | 25.00 % | 12.50 % | 50.00 % | 6.25 % | 37.50 % | 384 | 144 | 0.375 | 0.500 | 1.5 |")
                .contains("| 2 | 4 | 2 | dense | dense | 3 | – | – | – | – | – | 384 | 352 | 0.917 | 1.000 | 2 |")
                .contains("2 of 3 layers were converted")
                .contains("- ranks: uniform 0.7\n- groups: &lt;contiguous\\>\n")
                .doesNotContain("NaN");
    }

    @Test
    void lossesHavePerplexityAndDifferences() {
        assertThat(ConversionFiles.markdown(report().withLoss("healed", Math.log(12))))
                .contains("| original | 2.3026 | 10 |  |  |")
                .contains("| converted | 2.7726 | 16 | +0.4700 | +6.000 |")
                .contains("| healed | 2.4849 | 12 | +0.1823 | +2.000 |");
    }

    @Test
    void lossesThatWereNotMeasuredAreSaidToBeSo() {
        String text = ConversionFiles.markdown(report("tiny", Map.of()));
        assertThat(text).contains("## Loss\n\nNot measured.").doesNotContain("perplexity");
        assertThat(ConversionFiles.html(report("tiny", Map.of()))).doesNotContain("<b>Loss</b>");
        assertThat(ConversionFiles.markdown(report("tiny", Map.of("original", Double.NaN))))
                .contains("| original | – | – |");
    }

    @Test
    void aLaterLossReplacesOneOfTheSameStageInItsPlace() {
        ConversionReport report =
                report().withLoss("healed", 3).withLoss("original", 1).withLoss("healed", 2);

        assertThat(report.losses().keySet()).containsExactly("original", "converted", "healed");
        assertThat(report.losses().values()).containsExactly(1.0, Math.log(16), 2.0);
    }

    @Test
    void thePageHasChartsAndLoadsNothing() {
        String html = ConversionFiles.html(report());

        Markup.assertPage(html);
        assertThat(html)
                .contains(
                        "<b>Relative error</b>",
                        "<b>Parameters</b>",
                        "<b>Loss</b>",
                        ">outputs</i>",
                        "<li>ranks: uniform 0.7</li>")
                .contains(
                        "<title>0 before: 384</title>",
                        "<title>2 after: 352</title>",
                        "<title>converted: 2.773</title>")
                .contains("<title>layer 0: 25</title>", "<td>37.50 %</td>");
    }

    @Test
    void namesAreNeverMarkup() {
        String evil = "</title><script>alert('&')</script>|\r\n# `x`";
        ConversionReport report = report(evil, Map.of(evil, 2.0));

        Markup.assertPage(ConversionFiles.html(report));
        assertThat(ConversionFiles.markdown(report))
                .startsWith(
                        "# Conversion of &lt;/title\\>&lt;script\\>alert('&amp;')&lt;/script\\>\\|  \\# \\`x\\`\n\n");
        assertThat(ConversionFiles.parse(ConversionFiles.json(report))).isEqualTo(report);
    }

    @Test
    void jsonComesBackEqual() {
        ConversionReport report = report();
        ConversionReport back = ConversionFiles.parse(ConversionFiles.json(report));

        assertThat(back).isEqualTo(report);
        assertThat(back.losses().keySet()).containsExactly("original", "converted");
        assertThat(StrictJson.parse(ConversionFiles.json(report))
                        .getAsJsonObject("summary")
                        .get("routed_parameters_after")
                        .getAsLong())
                .isEqualTo(496);
    }

    @Test
    void readingIsStrict() {
        String json = ConversionFiles.json(report());

        assertFault(
                json.replace("\"seconds\": 1.5", "\"seconds\": \"1.5\""),
                "layers[0].seconds must be a number, got \"1.5\"");
        assertFault(json.replace("\"seconds\": 1.5", "\"second\": 1.5"), "missing key layers[0].seconds");
        assertFault(json.replace("\"seconds\": 1.5", "\"seconds\": 1.5, \"x\": 1"), "unknown key layers[0].x = 1");
        assertFault(
                json.replace("\"operator\": \"up\"", "\"operator\": \"upp\""),
                "layers[0].errors[1].operator must be one of");
        assertFault(
                json.replace("\"operator\": \"up\"", "\"operator\": \"gate\""),
                "in layers[0].errors[1]: GATE is there already");
        assertFault(
                json.replace("\"layer\": 2", "\"layer\": 1"), "in layers[1]: layer 1 is no MoE layer of the 3 layers");
        assertFault(
                json.replace("\"stage\": \"converted\"", "\"stage\": \"original\""),
                "in losses[1]: original is there already");
        assertFault(json.replace("\"source\": \"tiny\"", "\"source\": 1"), "source must be a text, got 1");
        assertFault(json.substring(1), "not JSON");
    }

    private static void assertFault(String json, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ConversionFiles.parse(json))
                .withMessageContaining(message);
    }

    @Test
    void layersAreThoseOfTheModels() {
        ConversionReport report = report();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ConversionReport(
                        "tiny", List.of(), report.before(), report.before(), report.layers(), Map.of()))
                .withMessageContaining("layer 0 is not in the model of 3 layers after the conversion");
    }

    @Test
    void aLossMeasuredLaterIsAddedToTheFiles(@TempDir Path folder) throws IOException {
        ConversionFiles.write(report(), folder);
        ConversionFiles.write(ConversionFiles.read(folder).withLoss("healed", Math.log(12)), folder);

        assertThat(ConversionFiles.read(folder)).isEqualTo(report().withLoss("healed", Math.log(12)));
        assertThat(folder.resolve("conversion.md")).content().contains("| healed | 2.4849 |");
        assertThat(folder.resolve("conversion.html")).content().contains("<td>healed</td>");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).hasSize(3);
        }
        Path json = folder.resolve("conversion.json");
        Files.writeString(json, "{}");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ConversionFiles.read(folder))
                .withMessageContainingAll(json.toString(), "missing key before");
    }
}
