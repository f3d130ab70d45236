package ai.molae.djl.train.metrics;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.LoadMap;
import ai.molae.djl.chart.Page;
import ai.molae.djl.files.WholeFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A page about one training run, or several in the same charts: losses, gradient norm, learning rate, speed, utilisation, memory, router statistics,
 * and heat maps of the experts' load. One HTML file without scripts that loads nothing; light or dark as the reader has it. However long a
 * run, a curve is drawn with about a thousand points, the greatest and least values among them.
 *
 * <pre>{@code
 * TrainingReport.builder()
 *     .setTitle("MoE against MoLAE")
 *     .addRun("MoE", folder.resolve("moe/metrics.jsonl"))
 *     .addRun("MoLAE", folder.resolve("molae/metrics.jsonl"))
 *     .optSection("Environment", Map.of("threads", 2))
 *     .build()
 *     .write(folder.resolve("report.html"));
 * }</pre>
 */
public final class TrainingReport {

    private final String title;
    private final List<RunCurves> runs;
    private final Map<String, Map<String, ?>> sections;

    private TrainingReport(Builder builder) {
        title = builder.title;
        runs = List.copyOf(builder.runs);
        sections = new LinkedHashMap<>(builder.sections);
    }

    /**
     * Begins a report.
     *
     * @return an empty builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The page.
     *
     * @return a whole HTML document
     */
    public String html() {
        StringBuilder html = new StringBuilder(
                        "<p>Losses are in nats per token; training loss, utilisation and router figures of the table are means over the last")
                .append(" steps. The imbalance is the busiest expert's load over the mean, from 1.</p>\n")
                .append(ReportTable.of(runs));
        facts(html);
        html.append("<h2>Curves</h2>\n<div class=charts>\n");
        new ReportCharts(runs).figures().forEach(html::append);
        html.append("</div>\n");
        runs.stream().filter(run -> !run.layers().isEmpty()).forEach(run -> experts(html, run));
        return Page.html(title, html.toString());
    }

    private void facts(StringBuilder html) {
        if (sections.isEmpty()) {
            return;
        }
        html.append("<h2>The run</h2>\n<div class=facts>\n");
        sections.forEach((name, facts) -> {
            html.append("<div><h3>").append(Html.escape(name)).append("</h3><table>");
            facts.forEach((key, value) -> html.append("<tr><td>")
                    .append(Html.escape(key))
                    .append("</td><td>")
                    .append(Html.escape(String.valueOf(value)))
                    .append("</td></tr>"));
            html.append("</table></div>\n");
        });
        html.append("</div>\n");
    }

    private void experts(StringBuilder html, RunCurves run) {
        html.append("<h2>Load of the experts")
                .append(runs.size() > 1 ? ": " + Html.escape(run.name()) : "")
                .append(
                        "</h2>\n<p>Each expert's share of its layer's tokens; without colour it is the even share.</p>\n")
                .append(LoadMap.scale())
                .append(ReportMaps.overview(run))
                .append("<h2>Layer by layer</h2>\n<div class=maps>\n");
        run.layers().entrySet().forEach(layer -> html.append(ReportMaps.layer(layer)));
        html.append("</div>\n");
    }

    /**
     * Writes the page: first beside the file, then in its place, so that a reader never sees half of it.
     *
     * @param file the HTML file, replaced if it exists; its folder is made if it is missing
     * @throws UncheckedIOException if it cannot be written; an older file stays then
     */
    public void write(Path file) {
        try {
            WholeFile.write(file, html());
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "the training report " + file.toAbsolutePath() + " cannot be written: " + e, e);
        }
    }

    /** Collects what a report is about. */
    public static final class Builder {
        private String title = "";
        private final List<RunCurves> runs = new ArrayList<>();
        private final Set<String> names = new HashSet<>();
        private final Map<String, Map<String, ?>> sections = new LinkedHashMap<>();

        private Builder() {}

        /**
         * Sets the headline.
         *
         * @param title text, not HTML
         * @return this
         */
        public Builder setTitle(String title) {
            this.title = title;
            return this;
        }

        /**
         * Adds a run. The file is read now.
         *
         * @param name what it is called in legends, different for every run
         * @param metrics what {@link MetricsFile} wrote; the run may still be going on
         * @return this
         * @throws IllegalArgumentException if the name is taken, or the file has a line that is no metrics
         * @throws UncheckedIOException if the file cannot be read
         */
        public Builder addRun(String name, Path metrics) {
            if (!names.add(name)) {
                throw new IllegalArgumentException("there is a run " + name + " already; give every run its own name");
            }
            runs.add(RunCurves.read(name, metrics));
            return this;
        }

        /**
         * Adds a table of facts, such as the model, the configuration, the environment.
         *
         * @param name its headline
         * @param facts what is told by what it is called, in this order; text, not HTML
         * @return this
         */
        public Builder optSection(String name, Map<String, ?> facts) {
            sections.put(name, new LinkedHashMap<>(facts));
            return this;
        }

        /**
         * Makes the report.
         *
         * @return the report
         * @throws IllegalArgumentException if there is no title or no run
         */
        public TrainingReport build() {
            if (title.isBlank() || runs.isEmpty()) {
                throw new IllegalArgumentException("a report needs a title and at least one run: setTitle and addRun");
            }
            return new TrainingReport(this);
        }
    }
}
