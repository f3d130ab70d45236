package ai.molae.bench.report;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.results.Environment;
import ai.molae.bench.results.Results;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jsoup.Jsoup;
import org.jsoup.nodes.Document;
import org.jsoup.nodes.Element;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The page as a tree, read without a browser. */
class ReportStructureTest {

    @TempDir
    static Path folder;

    private static Document page;

    private static Document page() {
        return page;
    }

    @BeforeAll
    static void write() throws IOException {
        Files.writeString(folder.resolve(Results.FILE), SyntheticRun.json());
        SyntheticRun.environment().write(folder.resolve("environment.json"));
        Files.writeString(folder.resolve("failures.txt"), "LayerForward.forward shape=BROKEN: out of memory\n");
        page = Jsoup.parse(ReportFolder.write(folder).toFile());
    }

    @Test
    void thePageStandsAlone() {
        Document page = page();

        assertThat(page.title()).isEqualTo("molae benchmarks");
        assertThat(page.selectFirst("html").attr("lang")).isEqualTo("en");
        assertThat(page.selectFirst("meta[name=viewport]").attr("content")).contains("width=device-width");
        assertThat(page.select("script, link, iframe, img, object")).isEmpty();
        assertThat(page.select("[href]")).isNotEmpty().allSatisfy(link -> {
            assertThat(link.attr("href")).startsWith("#");
            assertThat(page.getElementById(link.attr("href").substring(1))).isNotNull();
        });
        assertThat(page.html()).doesNotContain("http://", "https://", "@import", "url(");
    }

    @ParameterizedTest
    @CsvSource({
        "presets, 4, 3",
        "variants, 4, 1",
        "precisions, 3, 1",
        "roofline, 3, 1",
        "tokens, 1, 1",
        "memory, 2, 1",
        "usage, 0, 1",
        "skew, 1, 1",
        "peers, 2, 1",
        "dispatch, 2, 1",
        "models, 3, 1",
        "conversion, 2, 1",
        "results, 0, 1",
        "environment, 0, 1"
    })
    void everySectionHasItsChartsAndTables(String id, int charts, int tables) {
        Element section = page().getElementById(id);

        assertThat(section.select(".missing")).isEmpty();
        assertThat(section.select("svg")).hasSizeGreaterThanOrEqualTo(charts).allSatisfy(svg -> {
            assertThat(svg.attr("role")).isEqualTo("img");
            assertThat(svg.attr("aria-label")).isNotBlank();
            assertThat(svg.select("> desc").text()).isNotBlank();
            assertThat(svg.select("rect, path.mark").size()).isGreaterThanOrEqualTo(1);
        });
        assertThat(section.select("table")).hasSize(tables).allSatisfy(table -> {
            int columns = table.select("thead th").size();
            assertThat(table.select("tbody tr")).isNotEmpty().allSatisfy(row -> {
                assertThat(row.select("td")).hasSize(columns);
                assertThat(row.select("td"))
                        .allSatisfy(cell -> assertThat(cell.text()).isNotBlank());
            });
        });
    }

    @Test
    void theHeadlineHasRatiosOverThePublishedPresets() {
        Element headline = page().getElementById("headline");

        assertThat(headline.select(".tile")).hasSize(5).allSatisfy(tile -> {
            assertThat(tile.selectFirst("b").text()).matches("\\d+\\.\\d\\d×");
            assertThat(tile.selectFirst("small").text()).contains("over all 8 presets");
        });
    }

    @Test
    void whatIsUnknownOrFailedIsInTheTableOfAllResults() {
        Document page = page();

        assertThat(page.getElementById("results").text()).contains("Unheard.of", "size, \"quoted\"=1,5", "failed");
        assertThat(page.getElementById("missing").text())
                .contains("shape=BROKEN: out of memory", "No value: LayerForward.forward shape=BROKEN tokens=7");
    }

    @Test
    void sectionsWithoutDataSaySo() {
        String empty = new Report(List.of(), new Environment(Map.of()), List.of()).html();
        Document page = Jsoup.parse(empty);

        assertThat(page.select("svg, table")).isEmpty();
        assertThat(page.select(".missing")).hasSize(15).allSatisfy(text -> assertThat(text.text())
                .startsWith("Left out: "));
    }

    /** Whatever a single result is of, the page can be made. */
    @Test
    void everyResultAloneMakesAPage() throws IOException {
        Results.parse(SyntheticRun.json(), "synthetic").forEach(result -> {
            Report report = new Report(List.of(result), new Environment(Map.of()), List.of());
            assertThat(Jsoup.parse(report.html()).select("#results tbody tr")).hasSize(1);
            assertThat(report.markdown()).startsWith("# molae benchmarks");
        });
    }

    @Test
    void markdownHasTheSameTables() throws IOException {
        String markdown = Files.readString(folder.resolve("report.md"));

        assertThat(markdown)
                .contains("## Peers", "| layer | implementation | ms |", "ONNX Runtime", "| --- | --- | ---: |")
                .contains("Invented CPU @ 3 GHz \\<not a real one\\>")
                .doesNotContain("## All results", "<svg", "<table");
        String[] lines = markdown.split("\n", -1);
        for (int i = 1; i < lines.length; i++) {
            if (lines[i].startsWith("| ") && lines[i - 1].startsWith("| ")) {
                assertThat(bars(lines[i])).as(lines[i]).isEqualTo(bars(lines[i - 1]));
            }
        }
    }

    private static int bars(String line) {
        return line.replace("\\|", "").split("\\|", -1).length;
    }
}
