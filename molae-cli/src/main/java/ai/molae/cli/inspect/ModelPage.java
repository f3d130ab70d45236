package ai.molae.cli.inspect;

import ai.molae.cli.eval.Evaluation;
import ai.molae.cli.table.HtmlTables;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.Unit;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.Page;
import ai.molae.djl.chart.Tiles;
import ai.molae.djl.convert.SpectrumReport;
import ai.molae.djl.convert.report.SpectrumSection;
import ai.molae.djl.hf.Checkpoint;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** A model as one page that runs nothing and loads nothing. */
final class ModelPage {

    /** What every page begins with. */
    record Tables(Table summary, Table parameters, Table computation, Table memory, Table files, List<String> notes) {}

    /** The settings of the costs. */
    record Setting(long context, long batch) {}

    /** A part of the page with an entry in the contents. */
    private record Section(String id, String title, String html) {}

    private final Checkpoint checkpoint;
    private final ModelCost cost;
    private final Setting setting;
    private final Tables tables;
    private final Optional<Evaluation> evaluation;
    private final SpectraChoice choice;
    private final Optional<SpectrumReport> spectra;

    ModelPage(
            Checkpoint checkpoint,
            ModelCost cost,
            Setting setting,
            Tables tables,
            Optional<Evaluation> evaluation,
            SpectraChoice choice,
            Optional<SpectrumReport> spectra) {
        this.checkpoint = checkpoint;
        this.cost = cost;
        this.setting = setting;
        this.tables = tables;
        this.evaluation = evaluation;
        this.choice = choice;
        this.spectra = spectra;
    }

    /**
     * The page.
     *
     * @param arguments the command line that makes it, without {@code molae}
     * @param now when
     */
    String html(List<String> arguments, Instant now) {
        List<Section> sections = List.of(
                new Section("architecture", "Architecture", architecture()),
                new Section("parameters", "Parameters and FLOPs", parameters()),
                new Section("memory", "Memory", memory()),
                new Section("load", "Use of the experts", load()),
                new Section("spectra", "Spectra of the experts", spectra()),
                new Section("files", "Files", HtmlTables.of(tables.files())));
        StringBuilder body = new StringBuilder(paragraph(checkpoint.config().modelType() + " · "
                        + checkpoint.spec().numLayers() + " layers · hidden size "
                        + checkpoint.spec().hiddenSize()))
                .append(tiles())
                .append("<nav class=contents>");
        sections.forEach(section -> body.append("<a href=\"#")
                .append(section.id())
                .append("\">")
                .append(section.title())
                .append("</a>"));
        body.append("</nav>\n");
        sections.forEach(section -> body.append("<section id=")
                .append(section.id())
                .append("><h2>")
                .append(section.title())
                .append("</h2>\n")
                .append(section.html())
                .append("</section>\n"));
        return Page.html(
                name(checkpoint.folder()), body.append(footer(arguments, now)).toString());
    }

    private static String name(Path folder) {
        Path name = folder.toAbsolutePath().normalize().getFileName();
        return name == null ? folder.toString() : name.toString();
    }

    private static String paragraph(String text) {
        return "<p>" + Html.escape(text) + "</p>\n";
    }

    private String tiles() {
        return new Tiles()
                .add(
                        Html.number((double) cost.parameters()),
                        "parameters",
                        String.format(Locale.ROOT, "%,d", cost.parameters()))
                .add(
                        Html.number(cost.activeParameters()),
                        "active per token",
                        String.format(
                                Locale.ROOT, "%.1f %% of them", 100 * cost.activeParameters() / cost.parameters()))
                .add(
                        Html.number(cost.forwardFlops(setting.context())),
                        "FLOPs per token",
                        "forward, attending " + setting.context() + " positions")
                .add(
                        Unit.BYTE.human(cost.weightBytes(ElementType.BFLOAT16)),
                        "weights in bfloat16",
                        "and " + Unit.BYTE.human(cost.kvCacheBytesPerToken(ElementType.BFLOAT16))
                                + " of cache per token")
                .html();
    }

    private String architecture() {
        Architecture architecture = new Architecture(checkpoint.spec());
        return "<div class=sides>\n" + architecture.figure() + HtmlTables.of(tables.summary()) + "</div>\n"
                + architecture.table();
    }

    private String parameters() {
        return "<div class=charts>\n" + CostCharts.parameters(cost) + CostCharts.flops(cost, setting.context())
                + "</div>\n" + HtmlTables.of(tables.parameters()) + HtmlTables.of(tables.computation());
    }

    private String memory() {
        return "<div class=charts>\n" + CostCharts.memory(cost, setting.context(), setting.batch()) + "</div>\n"
                + HtmlTables.of(tables.memory())
                + tables.notes().stream()
                        .flatMap(String::lines)
                        .map(ModelPage::paragraph)
                        .collect(Collectors.joining());
    }

    private boolean dense() {
        return cost.moeLayers().isEmpty();
    }

    private String load() {
        if (evaluation.isPresent()) {
            return new LoadSection(evaluation.get()).html();
        }
        return paragraph(
                dense()
                        ? "No layer has experts: every token uses every parameter."
                        : "How the experts are used depends on what is read; name a text with --text to see it here.");
    }

    private String spectra() {
        if (dense()) {
            return paragraph("No layer has experts, so there are no stacks of their matrices.");
        }
        return (choice.note().isEmpty() ? "" : paragraph(choice.note()))
                + spectra.map(SpectrumSection::html).orElse("");
    }

    private static String footer(List<String> arguments, Instant now) {
        String version = ModelPage.class.getPackage().getImplementationVersion();
        return "<footer>"
                + paragraph("Made " + now.truncatedTo(ChronoUnit.SECONDS) + " by molae "
                        + (version == null ? "(not packaged)" : version) + " with")
                + "<pre><code>"
                + Html.escape(
                        "molae " + arguments.stream().map(ModelPage::quoted).collect(Collectors.joining(" ")))
                + "</code></pre></footer>\n";
    }

    /** As a shell takes it. */
    static String quoted(String argument) {
        return argument.matches("[A-Za-z0-9_./:=,@%+-]+") ? argument : "'" + argument.replace("'", "'\\''") + "'";
    }
}
