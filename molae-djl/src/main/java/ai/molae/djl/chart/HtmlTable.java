package ai.molae.djl.chart;

import java.util.ArrayList;
import java.util.List;

/** Rows of as many cells as the head has: some columns of names at the left, then numbers. It can be scrolled where the page is too narrow for it. */
public final class HtmlTable {

    private final int names;
    private final List<String> head;
    private final List<List<String>> rows = new ArrayList<>();

    /**
     * An empty table.
     *
     * @param names so many columns at the left are texts, at least 1; the others are numbers
     * @param head the names of all columns, not HTML
     */
    public HtmlTable(int names, List<String> head) {
        if (names < 1 || names > head.size()) {
            throw new IllegalArgumentException(
                    "a table of the columns " + head + " has 1 to " + head.size() + " columns of names, got " + names);
        }
        this.names = names;
        this.head = List.copyOf(head);
    }

    /**
     * Adds a row.
     *
     * @param cells as many as columns, not HTML
     * @return this table
     */
    public HtmlTable row(List<String> cells) {
        if (cells.size() != head.size()) {
            throw new IllegalArgumentException("a row has a cell for each of " + head + ", got " + cells);
        }
        rows.add(List.copyOf(cells));
        return this;
    }

    /**
     * The table as HTML.
     *
     * @return a block
     */
    public String html() {
        StringBuilder html = new StringBuilder("<div class=scroll tabindex=0><table><thead>");
        row(html, head, "th");
        html.append("</thead><tbody>");
        rows.forEach(row -> row(html, row, "td"));
        return html.append("</tbody></table></div>\n").toString();
    }

    private void row(StringBuilder html, List<String> cells, String element) {
        html.append("<tr>");
        for (int column = 0; column < cells.size(); column++) {
            // The style sheet knows that the first one is a name.
            html.append('<')
                    .append(element)
                    .append(column > 0 && column < names ? " class=text>" : ">")
                    .append(Html.escape(cells.get(column)))
                    .append("</")
                    .append(element)
                    .append('>');
        }
        html.append("</tr>");
    }
}
