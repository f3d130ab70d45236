package ai.molae.bench.report;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** A report's texts and tables in GitHub's Markdown, without charts and without the table of all results, which the CSV is for. */
final class MarkdownReport {

    private static final Set<String> LEFT_OUT = Set.of("results");

    private MarkdownReport() {}

    static String of(String origin, List<Section> sections) {
        String text = sections.stream()
                .filter(section -> !LEFT_OUT.contains(section.id()))
                .map(section -> "## " + Markdown.escape(section.title()) + "\n\n"
                        + section.blocks().stream().map(Block::markdown).collect(Collectors.joining()))
                .collect(Collectors.joining());
        return "# " + Report.TITLE + "\n\n" + Markdown.escape(origin) + "\n\n" + text.stripTrailing() + "\n";
    }
}
