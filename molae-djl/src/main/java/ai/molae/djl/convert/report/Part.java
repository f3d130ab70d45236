package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.HtmlTable;
import java.util.List;
import java.util.stream.Collectors;

/** A part of a report that can be told in Markdown and in HTML. What it holds is text, never markup. */
sealed interface Part {

    /** A block, with an empty line after it; empty if there is nothing to tell. */
    String markdown();

    /** A block of HTML. */
    String html();

    /** A headline. */
    record Heading(String text) implements Part {
        @Override
        public String markdown() {
            return "## " + Texts.markdown(text) + "\n\n";
        }

        @Override
        public String html() {
            return "<h2>" + Html.escape(text) + "</h2>\n";
        }
    }

    /** A paragraph. */
    record Paragraph(String text) implements Part {
        @Override
        public String markdown() {
            return Texts.markdown(text) + "\n\n";
        }

        @Override
        public String html() {
            return "<p>" + Html.escape(text) + "</p>\n";
        }
    }

    /** Lines one by one; warnings stand out. */
    record Lines(List<String> lines, boolean warnings) implements Part {
        @Override
        public String markdown() {
            return lines.isEmpty()
                    ? ""
                    : lines.stream()
                            .map(line -> "- " + (warnings ? "**Warning:** " : "") + Texts.markdown(line))
                            .collect(Collectors.joining("\n", "", "\n\n"));
        }

        @Override
        public String html() {
            return lines.isEmpty()
                    ? ""
                    : lines.stream()
                            .map(line -> "<li>" + Html.escape(line) + "</li>")
                            .collect(Collectors.joining(
                                    "", "<ul class=" + (warnings ? "warnings" : "lines") + ">", "</ul>\n"));
        }
    }

    /** Rows of as many cells as the head has; the first column is a name, the others numbers. */
    record Table(List<String> head, List<List<String>> rows) implements Part {
        @Override
        public String markdown() {
            StringBuilder text = new StringBuilder(row(head)).append("| --- |");
            head.stream().skip(1).forEach(cell -> text.append(" ---: |"));
            text.append('\n');
            rows.forEach(row -> text.append(row(row)));
            return text.append('\n').toString();
        }

        private static String row(List<String> cells) {
            return cells.stream().map(Texts::markdown).collect(Collectors.joining(" | ", "| ", " |\n"));
        }

        @Override
        public String html() {
            HtmlTable table = new HtmlTable(1, head);
            rows.forEach(table::row);
            return table.html();
        }
    }

    /** Charts side by side, in HTML only. */
    record Figures(List<String> figures) implements Part {
        @Override
        public String markdown() {
            return "";
        }

        @Override
        public String html() {
            return figures.isEmpty() ? "" : "<div class=charts>\n" + String.join("", figures) + "</div>\n";
        }
    }
}
