package ai.molae.bench.report;

import ai.molae.djl.chart.Html;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Rows of as many cells as the head has: some columns of names, then numbers. Columns without any number are left out when it is shown; without rows
 * nothing is. */
final class Table implements Block {

    /** Stands for a number that is not known. */
    static final String UNKNOWN = Html.number(Double.NaN);

    private static final int LONG = 56;

    private final int names;
    private final List<String> head;
    private final List<List<String>> rows = new ArrayList<>();

    /**
     * An empty table.
     *
     * @param names so many columns at the left are names
     * @param head the names of all columns
     */
    Table(int names, String... head) {
        this.names = names;
        this.head = List.of(head);
    }

    Table(int names, List<String> head) {
        this.names = names;
        this.head = List.copyOf(head);
    }

    Table add(List<String> cells) {
        if (cells.size() != head.size()) {
            throw new IllegalArgumentException("a row has a cell for each of " + head + ", got " + cells);
        }
        rows.add(List.copyOf(cells));
        return this;
    }

    Table add(String... cells) {
        return add(List.of(cells));
    }

    boolean isEmpty() {
        return rows.isEmpty();
    }

    private List<Integer> columns() {
        return IntStream.range(0, head.size())
                .filter(column -> column < names
                        || rows.stream().anyMatch(row -> !row.get(column).equals(UNKNOWN)))
                .boxed()
                .toList();
    }

    @Override
    public String html() {
        if (rows.isEmpty()) {
            return "";
        }
        List<Integer> columns = columns();
        StringBuilder html = new StringBuilder("<div class=scroll tabindex=0><table><thead>");
        row(html, head, columns, "th");
        html.append("</thead><tbody>");
        rows.forEach(row -> row(html, row, columns, "td"));
        return html.append("</tbody></table></div>\n").toString();
    }

    private void row(StringBuilder html, List<String> cells, List<Integer> columns, String element) {
        html.append("<tr>");
        for (int column : columns) {
            html.append('<')
                    .append(element)
                    .append(column >= names ? ">" : isLong(column) ? " class=\"text long\">" : " class=text>")
                    .append(Html.escape(cells.get(column)))
                    .append("</")
                    .append(element)
                    .append('>');
        }
        html.append("</tr>");
    }

    /** Whether its texts may be broken into lines. */
    private boolean isLong(int column) {
        return rows.stream().anyMatch(row -> row.get(column).length() > LONG);
    }

    @Override
    public String markdown() {
        if (rows.isEmpty()) {
            return "";
        }
        List<Integer> columns = columns();
        StringBuilder text = new StringBuilder(line(head, columns));
        columns.forEach(column -> text.append(column < names ? "| --- " : "| ---: "));
        text.append("|\n");
        rows.forEach(row -> text.append(line(row, columns)));
        return text.append('\n').toString();
    }

    private static String line(List<String> cells, List<Integer> columns) {
        return columns.stream()
                .map(column -> Markdown.escape(cells.get(column)))
                .collect(Collectors.joining(" | ", "| ", " |\n"));
    }
}
