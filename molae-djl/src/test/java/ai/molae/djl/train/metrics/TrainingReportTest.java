package ai.molae.djl.train.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.train.LmTrainingListener.Evaluation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingReportTest {

    @TempDir
    private Path folder;

    private Path run(String name, int steps) {
        Path file = folder.resolve(name + ".jsonl");
        try (MetricsFile metrics = new MetricsFile(file)) {
            metrics.onStart(0);
            for (int step = 1; step <= steps; step++) {
                metrics.onStep(Runs.step(step));
            }
            metrics.onEvaluation(new Evaluation(steps, 1.5, 100));
        }
        return file;
    }

    private static long count(String text, String part) {
        return Pattern.compile(Pattern.quote(part)).matcher(text).results().count();
    }

    @Test
    void aRunHasItsCurvesItsNumbersAndAMapPerLayer() {
        String html = TrainingReport.builder()
                .setTitle("A run")
                .addRun("moe", run("moe", 20))
                .optSection("Model", Map.of("experts", 4))
                .build()
                .html();

        assertThat(html)
                .contains("<title>A run</title>", "<td>experts</td><td>4</td>")
                .contains("<b>Loss</b>", "<b>Gradient norm</b>", "<b>Learning rate</b>", "<b>Speed</b>")
                .contains("<b>Model FLOPs utilisation</b>", "<b>Native memory</b>", "<b>Auxiliary loss</b>")
                .contains("<b>Balance loss</b>", "<b>Router z-loss</b>", "<b>Router entropy</b>", "<b>Imbalance</b>")
                .contains("<b>Idle experts</b>", "<b>Dropped tokens</b>")
                .contains("<b>All layers</b>", "<b>Layer 1</b>", "<b>Layer 3</b>")
                // 3 dropped of 32 choices; e^1.5
                .contains("<td>9.375 %</td>", "<td>1.500</td>", "<td>4.482</td>");
        assertThat(count(html, "src=\"data:image/png;base64,")).isEqualTo(1 + 1 + 2);
    }

    @Test
    void loadsNothingAndRunsNothing() {
        String html = TrainingReport.builder()
                .setTitle("A run")
                .addRun("moe", run("moe", 3))
                .build()
                .html();

        assertThat(html).doesNotContain("<script", "http:", "https:", "url(", "@import", "<link", "onclick");
        assertThat(html).contains("prefers-color-scheme: dark");
    }

    @Test
    void textIsNeverMarkup() {
        String evil = "<img src=x onerror=\"alert('&')\">";
        String html = TrainingReport.builder()
                .setTitle(evil)
                .addRun(evil, run("a", 2))
                .addRun("b", run("b", 2))
                .optSection(evil, Map.of(evil, evil))
                .build()
                .html();

        assertThat(html).doesNotContain("<img src=x");
        // title, headline, section with key and value, table, the legends, the maps' headline
        assertThat(count(html, "&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;"))
                .isGreaterThan(10);
    }

    @Test
    void severalRunsShareTheirCharts() {
        String html = TrainingReport.builder()
                .setTitle("Both")
                .addRun("standard", run("a", 12))
                .addRun("latent", run("b", 12))
                .build()
                .html();

        assertThat(count(html, "<b>Loss</b>")).isEqualTo(1);
        assertThat(html)
                .contains(">standard</i>", ">latent</i>", "Load of the experts: standard")
                .contains("Load of the experts: latent", "<tr><td>standard</td>", "<tr><td>latent</td>");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TrainingReport.builder()
                        .addRun("a", folder.resolve("a.jsonl"))
                        .addRun("a", folder.resolve("b.jsonl")))
                .withMessageContaining("run a already");
    }

    @Test
    void oneStepAndNoStepAreRunsToo() {
        for (int steps : new int[] {0, 1}) {
            String html = TrainingReport.builder()
                    .setTitle("Short")
                    .addRun("run", run("short" + steps, steps))
                    .build()
                    .html();
            assertThat(html).contains("<b>Loss</b>", "<circle").doesNotContain("NaN", "Infinity");
        }
    }

    @Test
    void whatIsUnknownIsLeftOut() {
        Path file = folder.resolve("dense.jsonl");
        try (MetricsFile metrics = new MetricsFile(file)) {
            metrics.onStep(Runs.unknown(1));
            metrics.onStep(Runs.unknown(2));
        }
        String html = TrainingReport.builder()
                .setTitle("Dense")
                .addRun("run", file)
                .build()
                .html();

        assertThat(html)
                .contains("<b>Learning rate</b>")
                .doesNotContain(
                        "NaN", "Infinity", "<b>Loss</b>", "utilisation</b>", "<th>dropped", "Load of the experts");
    }

    @Test
    void aLongRunMakesNoLargerPage() {
        long[] sizes = new long[2];
        for (int i = 0; i < 2; i++) {
            sizes[i] = TrainingReport.builder()
                    .setTitle("Long")
                    .addRun("run", run("long" + i, i == 0 ? 2_000 : 20_000))
                    .build()
                    .html()
                    .length();
        }
        assertThat(sizes[1]).isLessThan(sizes[0] * 5 / 4).isLessThan(400_000);
    }

    @Test
    void theFileIsReplacedWholeOrStays() throws IOException {
        Path file = folder.resolve("deep/report.html");
        TrainingReport report = TrainingReport.builder()
                .setTitle("A run")
                .addRun("run", run("run", 2))
                .build();
        report.write(file);
        report.write(file);

        assertThat(Files.readString(file)).isEqualTo(report.html()).endsWith("</html>\n");
        try (Stream<Path> files = Files.list(file.getParent())) {
            assertThat(files).containsExactly(file);
        }
        assertThatExceptionOfType(UncheckedIOException.class)
                .isThrownBy(() -> report.write(file.resolve("below-a-file.html")))
                .withMessageContaining("below-a-file.html");
    }

    @Test
    void needsATitleAndARun() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TrainingReport.builder().setTitle("Nothing").build())
                .withMessageContainingAll("setTitle", "addRun");
    }
}
