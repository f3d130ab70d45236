package ai.molae.cli.table;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** A table for people. */
final class TextTable {

    private TextTable() {}

    /** Aligned columns, texts on the left and numbers on the right. */
    static String text(Table table) {
        List<List<Cell>> lines = new ArrayList<>();
        if (!table.properties()) {
            lines.add(headings(table));
        }
        lines.addAll(table.rows());
        int columns = table.columns().size();
        int[] widths = new int[columns];
        boolean[] right = new boolean[columns];
        for (int i = 0; i < columns; i++) {
            int column = i;
            widths[i] = lines.stream()
                    .mapToInt(line -> line.get(column).text().length())
                    .max()
                    .orElse(0);
            right[i] = !table.properties()
                    && table.rows().stream().allMatch(row -> row.get(column).isNumber());
        }
        StringBuilder text = new StringBuilder(table.title()).append('\n');
        for (List<Cell> line : lines) {
            StringBuilder padded = new StringBuilder();
            for (int i = 0; i < columns; i++) {
                String cell = line.get(i).text();
                String blanks = " ".repeat(widths[i] - cell.length());
                padded.append("  ").append(right[i] ? blanks + cell : cell + blanks);
            }
            text.append(padded.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }

    private static List<Cell> headings(Table table) {
        return table.columns().stream().map(Cell::text).toList();
    }

    /** A heading and the table. */
    static String markdown(Table table) {
        StringBuilder text = new StringBuilder("## ").append(table.title()).append("\n\n");
        text.append(line(headings(table)));
        List<Cell> rules = new ArrayList<>();
        for (int i = 0; i < table.columns().size(); i++) {
            int column = i;
            boolean right =
                    table.rows().stream().allMatch(row -> row.get(column).isNumber());
            rules.add(Cell.text(right ? "---:" : "---"));
        }
        text.append(line(rules));
        table.rows().forEach(row -> text.append(line(row)));
        return text.toString();
    }

    private static String line(List<Cell> cells) {
        return cells.stream()
                .map(cell -> cell.text().strip().replace("|", "\\|"))
                .collect(Collectors.joining(" | ", "| ", " |\n"));
    }
}
