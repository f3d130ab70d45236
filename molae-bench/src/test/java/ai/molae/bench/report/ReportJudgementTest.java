package ai.molae.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Result;
import ai.molae.bench.results.Results;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a report makes of results: over which presets a tile is, what it does not trust, and whether memory is what the cost model says. */
class ReportJudgementTest {

    private List<Result> results;

    @BeforeEach
    void read() throws IOException {
        results = new ArrayList<>(Results.parse(SyntheticRun.json(), "synthetic"));
    }

    @Test
    void aTileOverSomePresetsNamesThemAndSaysInHowManyMolaeIsSlower() {
        results.removeIf(of("LayerDecode", "")
                .and(result -> !List.of("MIXTRAL_8X7B", "OLMOE_1B_7B").contains(result.param("shape"))));
        change(of("LayerDecode", "MOLAE").and(shape("OLMOE_1B_7B")), result -> times(result, 10));

        assertThat(tile(page(), "time of decode"))
                .contains("over only 2 of 8 presets: Mixtral 8x7B, OLMoE 1B-7B", "MoLAE slower in 1");
        assertThat(tile(page(), "time of prefill")).contains("over all 8 presets", "MoLAE slower in 0");
        assertThat(page().selectFirst("#headline p").text()).contains("DeepSeek-V3", "Moonlight 16B-A3B");
    }

    @Test
    void ofPrecisionsThatAllShapesWereMeasuredInTheTilesAreOfBfloat16() {
        List<Result> float32 = results.stream()
                .filter(of("LayerDecode", "")
                        .and(result -> result.param("precision").equals("BFLOAT16")))
                .map(result -> {
                    SortedMap<String, String> params = new TreeMap<>(result.params());
                    params.put("precision", "FLOAT32");
                    return new Result(result.benchmark(), params, result.forks(), result.unit(), result.metrics());
                })
                .toList();
        assertThat(float32).isNotEmpty();
        results.addAll(0, float32);

        assertThat(tile(page(), "time of decode"))
                .startsWith("bfloat16, 1 token;")
                .contains("over all 8 presets");
    }

    @Test
    void bytesReadPerTokenAreOfOneTokenThoughOnlyPrefillWasMeasured() {
        results.removeIf(of("LayerDecode", "").and(shape("PAPER")));
        double bytes = CostModel.layer(Variant.MOLAE.of(Shape.PAPER.standard(Scale.SMALL)))
                .decodeBytes(ElementType.BFLOAT16, 1);

        Element table = table(page(), "presets", "bytes read per token");
        int column = table.select("thead th").eachText().indexOf("bytes read per token");
        assertThat(row(table, "MoLAE paper", "MoLAE").select("td").get(column).text())
                .isEqualTo(Numbers.bytes(bytes));
    }

    @Test
    void whatWasDisturbedIsMarkedNamedAndLeftOutOfTheTimesAtTheTop() {
        Predicate<Result> wide = of("LayerDecode", "MOE").and(shape("MIXTRAL_8X7B"));
        Predicate<Result> slowProducts = of("LayerForward", "MOE")
                .and(shape("PAPER"))
                .and(result -> result.param("tokens").equals("512"));
        Predicate<Result> slowReading = of("LayerTraining", "MOLAE").and(shape("DEEPSEEK_V3"));
        Predicate<Result> peer = result -> result.param("implementation").equals("ONNX_RUNTIME");
        change(wide, result -> values(result, List.of(1.0, 2.0, 3.0, 4.0)));
        change(slowProducts, result -> scaled(result, Metric.PEAK_FLOPS, 0.7));
        change(slowReading, result -> scaled(result, Metric.BANDWIDTH, 0.7));
        change(peer, result -> scaled(result, Metric.PEAK_FLOPS, 0.5));

        Document page = page();
        List<String> disturbed = page.select("#missing li").eachText().stream()
                .filter(line -> line.startsWith("Disturbed: "))
                .toList();
        assertThat(disturbed).hasSize(3);
        assertThat(disturbed)
                .anySatisfy(line -> assertThat(line).contains("LayerDecode", "MIXTRAL_8X7B", "spread ±"))
                .anySatisfy(line -> assertThat(line).contains("LayerForward", "PAPER", "products at 70 %"))
                .anySatisfy(line -> assertThat(line).contains("LayerTraining", "DEEPSEEK_V3", "reading at 70 %"));
        for (String tile : List.of("time of decode", "time of prefill", "time of training step")) {
            assertThat(tile(page, tile)).contains("over only 7 of 8 presets", "1 left out, disturbed");
        }
        assertThat(tile(page, "memory of the weights")).contains("over all 8 presets");
        Element times = table(page, "presets", "time ratio");
        assertThat(times.select("td:contains(†)")).hasSize(3);
        assertThat(row(times, "Mixtral 8x7B", "decode").text()).contains("†");
        assertThat(page.select("#results td:contains(†)")).hasSize(3);
    }

    @Test
    void theShareOfDispatchIsOfTheLayerInTheSamePrecision() {
        Result part = only(result -> result.name().equals("RoutingDispatch.dispatch")
                && result.param("load").equals("BALANCED"));
        Predicate<Result> whole = of("LayerForward", "MOE")
                .and(shape(part.param("shape")))
                .and(result -> result.param("tokens").equals("512")
                        && result.param("load").equals("BALANCED")
                        && result.param("implementation").equals("MOLAE"));
        Predicate<Result> int8 = whole.and(result -> result.param("precision").equals("INT8"));
        change(int8, result -> times(result, 0.1));
        Result layer = only(whole.and(result -> result.param("precision").equals("BFLOAT16")));

        Element section = page().getElementById("dispatch");
        assertThat(row(section, "RoutingDispatch.dispatch", "balanced").text())
                .contains("bfloat16")
                .endsWith(Numbers.percent(part.milliseconds() / layer.milliseconds()));
        assertThat(section.text()).contains("experts are one number wide").doesNotContain("without any expert");
    }

    @Test
    void aVerdictSaysWhereMemoryIsNotWhatTheCostModelSays() {
        change(of("LayerDecode", "MOLAE").and(shape("PAPER")), result -> scaled(result, Metric.RETAINED_BYTES, 1.2));

        Element table = table(page(), "presets", "within 5 %");
        assertThat(table.select("tbody tr")).hasSize(11); // nine shapes in bfloat16, one in float32 and int8 too
        assertThat(row(table, "MoLAE paper", "bfloat16").select("td").last().text())
                .isEqualTo("no");
        assertThat(table.select("td:containsOwn(yes)")).hasSize(10);
        assertThat(page().getElementById("presets").text()).contains("the kernels pad");
    }

    @Test
    void noShareOfTheRooflineIsStatedForImplementationsWithALibraryOfTheirOwn() {
        assertThat(results)
                .filteredOn(
                        result -> List.of("ONNX_RUNTIME", "JAVACPP_PYTORCH").contains(result.param("implementation")))
                .isNotEmpty()
                .allSatisfy(
                        result -> assertThat(Derived.ROOFLINE_SHARE.of(result)).isNaN());
        assertThat(results)
                .filteredOn(result -> result.param("implementation").equals("NDARRAY_LOOP"))
                .isNotEmpty()
                .allSatisfy(
                        result -> assertThat(Derived.ROOFLINE_SHARE.of(result)).isPositive());
        assertThat(page().getElementById("roofline").text()).contains("library of their own are left out");
    }

    @Test
    void trainingAModelRetainsMoreThanWeightsAndHasNoRatioToThem() {
        Element table = table(page(), "usage", "retained ÷ model");
        int column = table.select("thead th").eachText().indexOf("retained ÷ model");

        assertThat(row(table, "ModelTraining.step", "").select("td").get(column).text())
                .isEqualTo(Table.UNKNOWN);
        assertThat(row(table, "ModelPrefill.prefill", "")
                        .select("td")
                        .get(column)
                        .text())
                .matches("1\\.0\\d×");
        assertThat(page().getElementById("usage").text()).contains("16 bytes a parameter");
    }

    private Document page() {
        return Jsoup.parse(new Report(results, SyntheticRun.environment(), List.of()).html());
    }

    private static String tile(Document page, String name) {
        return page.select("#headline .tile").stream()
                .filter(tile -> tile.selectFirst("span").text().equals(name))
                .findFirst()
                .orElseThrow()
                .selectFirst("small")
                .text();
    }

    /** The table of a section with a column. */
    private static Element table(Document page, String section, String column) {
        return page.getElementById(section).select("table").stream()
                .filter(table -> table.select("thead th").eachText().contains(column))
                .findFirst()
                .orElseThrow();
    }

    /** The first row with these names in its first columns. */
    private static Element row(Element table, String first, String second) {
        List<Element> rows = table.select("tbody tr").stream()
                .filter(row -> row.child(0).text().equals(first))
                .toList();
        return rows.stream()
                .filter(row -> row.child(1).text().equals(second))
                .findFirst()
                .or(() -> rows.stream()
                        .filter(row -> row.child(1).text().contains(second))
                        .findFirst())
                .orElseThrow();
    }

    private Result only(Predicate<Result> which) {
        List<Result> found = results.stream().filter(which).toList();
        assertThat(found).hasSize(1);
        return found.get(0);
    }

    private void change(Predicate<Result> which, UnaryOperator<Result> how) {
        assertThat(results).anyMatch(which);
        results.replaceAll(result -> which.test(result) ? how.apply(result) : result);
    }

    /** Results of a class, of one variant unless that is empty. */
    private static Predicate<Result> of(String benchmark, String variant) {
        return result -> result.benchmarkClass().equals(benchmark)
                && (variant.isEmpty() || result.param("variant").equals(variant));
    }

    private static Predicate<Result> shape(String shape) {
        return result -> result.param("shape").equals(shape);
    }

    private static Result times(Result result, double factor) {
        return values(
                result, result.values().stream().map(value -> factor * value).toList());
    }

    private static Result values(Result result, List<Double> values) {
        return new Result(result.benchmark(), result.params(), List.of(values), result.unit(), result.metrics());
    }

    private static Result scaled(Result result, Metric metric, double factor) {
        Map<String, Double> metrics = new HashMap<>(result.metrics());
        metrics.compute(metric.key(), (key, value) -> factor * value);
        return new Result(result.benchmark(), result.params(), result.forks(), result.unit(), metrics);
    }
}
