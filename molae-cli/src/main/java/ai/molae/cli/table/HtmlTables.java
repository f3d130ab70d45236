package ai.molae.cli.table;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.HtmlTable;
import java.util.List;

/** Tables for a page. */
public final class HtmlTables {

    private HtmlTables() {}

    /**
     * A table.
     *
     * @param table the table
     * @return HTML without its title
     */
    public static String of(Table table) {
        if (table.properties()) {
            StringBuilder html = new StringBuilder("<div class=facts><table>");
            table.rows().forEach(row -> html.append("<tr><td>")
                    .append(Html.escape(row.get(0).text()))
                    .append("</td><td>")
                    .append(Html.escape(row.get(1).text()))
                    .append("</td></tr>"));
            return html.append("</table></div>\n").toString();
        }
        HtmlTable html = new HtmlTable(1, table.columns());
        for (List<Cell> row : table.rows()) {
            html.row(row.stream().map(cell -> cell.text().strip()).toList());
        }
        return html.html();
    }
}
