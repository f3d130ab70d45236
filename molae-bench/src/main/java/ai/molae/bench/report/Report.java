package ai.molae.bench.report;

import ai.molae.bench.results.Environment;
import ai.molae.bench.results.Result;
import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.Page;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** A report on results: the sections, and the same as one HTML page without scripts that loads nothing. */
public final class Report {

    static final String TITLE = "molae benchmarks";

    private final ReportData data;

    /**
     * A report.
     *
     * @param results what was measured; failed ones are told as failed, unknown ones stand in the table of all
     * @param environment where
     * @param failures what the run says about benchmarks that left no result, a line each
     */
    public Report(List<Result> results, Environment environment, List<String> failures) {
        data = new ReportData(results, environment, failures);
    }

    /** What stands first: which machine and when. */
    String origin() {
        Environment environment = data.environment();
        List<String> parts = new ArrayList<>();
        add(parts, "", environment.get(Environment.DATE));
        add(parts, "", environment.get(Environment.CPU));
        add(parts, "threads ", environment.get(Environment.THREADS));
        add(parts, "commit ", environment.get(Environment.COMMIT));
        parts.add(data.results().size() + " results");
        return String.join(" · ", parts);
    }

    private static void add(List<String> parts, String before, String text) {
        if (!text.isEmpty()) {
            parts.add(before + text);
        }
    }

    List<Section> sections() {
        return List.of(
                headline(),
                PresetSection.of(data),
                VariantSections.variants(data),
                VariantSections.precisions(data),
                RooflineSection.of(data),
                TokensSection.of(data),
                MemorySection.of(data),
                UsageSection.of(data),
                VariantSections.skew(data),
                PeerSection.of(data),
                OtherSections.dispatch(data),
                OtherSections.models(data),
                OtherSections.conversion(data),
                AppendixSections.all(data),
                AppendixSections.environment(data),
                AppendixSections.reading(),
                AppendixSections.missing(data));
    }

    private Section headline() {
        Presets presets = new Presets(data);
        List<Block.Tile> tiles = presets.tiles();
        return tiles.isEmpty()
                ? Section.without("headline", "MoE ÷ MoLAE", "the same layer as MOE and as MOLAE")
                : new Section(
                        "headline",
                        "MoE ÷ MoLAE, medians over presets",
                        List.of(
                                new Block.Tiles(tiles),
                                new Block.Paragraph(
                                        "How many times as much the standard layer needs as MoLAE with one group; below 1 it is MoLAE"
                                                + " that needs more. Every number is of this run on this machine. The presets are "
                                                + presets.published().stream()
                                                        .map(Names::of)
                                                        .collect(Collectors.joining(", "))
                                                + ". Times that were disturbed are left out; memory and FLOPs do not depend on them.")));
    }

    /**
     * The page.
     *
     * @return an HTML document
     */
    public String html() {
        List<Section> sections = sections();
        StringBuilder body =
                new StringBuilder("<p>").append(Html.escape(origin())).append("</p>\n<nav class=contents>");
        sections.stream().skip(1).forEach(section -> body.append("<a href=\"#")
                .append(section.id())
                .append("\">")
                .append(Html.escape(section.title()))
                .append("</a>"));
        body.append("</nav>\n");
        for (Section section : sections) {
            body.append("<section id=")
                    .append(section.id())
                    .append("><h2>")
                    .append(Html.escape(section.title()))
                    .append("</h2>\n")
                    .append(section.blocks().stream().map(Block::html).collect(Collectors.joining()))
                    .append("</section>\n");
        }
        return Page.html(TITLE, body.toString());
    }

    /**
     * The same in Markdown, without charts.
     *
     * @return GitHub's Markdown
     */
    public String markdown() {
        return MarkdownReport.of(origin(), sections());
    }

    /**
     * All results.
     *
     * @return a table with all parameters, metrics and derived quantities, RFC 4180
     */
    public String csv() {
        return CsvReport.of(data.all());
    }
}
