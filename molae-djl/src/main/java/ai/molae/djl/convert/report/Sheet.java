package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Page;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A report as people read it.
 *
 * @param title its headline
 * @param parts what stands below
 */
record Sheet(String title, List<Part> parts) {

    String markdown() {
        String text = parts.stream().map(Part::markdown).collect(Collectors.joining());
        return "# " + Texts.markdown(title) + "\n\n" + text.stripTrailing() + "\n";
    }

    String html() {
        return Page.html(title, parts.stream().map(Part::html).collect(Collectors.joining()));
    }
}
