package ai.molae.bench.report;

import ai.molae.djl.chart.Html;
import java.util.List;
import java.util.stream.Collectors;

/** A block of a report that can be told in HTML and, unless it is a picture, in Markdown. What it holds is text, never markup. */
interface Block {

    /** A block of HTML. */
    String html();

    /** A block of Markdown with an empty line after it; empty if there is nothing to tell. */
    String markdown();

    /** A paragraph. */
    record Paragraph(String text) implements Block {
        @Override
        public String html() {
            return "<p>" + Html.escape(text) + "</p>\n";
        }

        @Override
        public String markdown() {
            return Markdown.escape(text) + "\n\n";
        }
    }

    /** What stands in the place of what is missing. */
    record Missing(String text) implements Block {
        @Override
        public String html() {
            return "<p class=missing>" + Html.escape(text) + "</p>\n";
        }

        @Override
        public String markdown() {
            return "*" + Markdown.escape(text) + "*\n\n";
        }
    }

    /** Something to type. */
    record Code(String text) implements Block {
        @Override
        public String html() {
            return "<pre><code>" + Html.escape(text) + "</code></pre>\n";
        }

        @Override
        public String markdown() {
            return "```\n" + text + "\n```\n\n";
        }
    }

    /** Lines one by one; warnings stand out. */
    record Lines(List<String> lines, boolean warnings) implements Block {
        @Override
        public String html() {
            return lines.stream()
                    .map(line -> "<li>" + Html.escape(line) + "</li>")
                    .collect(Collectors.joining("", "<ul class=" + (warnings ? "warnings" : "lines") + ">", "</ul>\n"));
        }

        @Override
        public String markdown() {
            return lines.stream()
                    .map(line -> "- " + Markdown.escape(line))
                    .collect(Collectors.joining("\n", "", "\n\n"));
        }
    }

    /** A number that everybody should see. */
    record Tile(String number, String name, String detail) {}

    /** Such numbers side by side. */
    record Tiles(List<Tile> tiles) implements Block {
        @Override
        public String html() {
            ai.molae.djl.chart.Tiles html = new ai.molae.djl.chart.Tiles();
            tiles.forEach(tile -> html.add(tile.number(), tile.name(), tile.detail()));
            return html.html();
        }

        @Override
        public String markdown() {
            return tiles.stream()
                    .map(tile -> "- **" + Markdown.escape(tile.number()) + "** " + Markdown.escape(tile.name()) + " ("
                            + Markdown.escape(tile.detail()) + ")")
                    .collect(Collectors.joining("\n", "", "\n\n"));
        }
    }

    /** Charts side by side, in HTML only; their figures are HTML. */
    record Charts(List<String> figures) implements Block {
        @Override
        public String html() {
            return "<div class=charts>\n" + String.join("", figures) + "</div>\n";
        }

        @Override
        public String markdown() {
            return "";
        }
    }
}
