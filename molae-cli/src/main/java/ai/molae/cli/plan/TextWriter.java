package ai.molae.cli.plan;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A plan for people. */
final class TextWriter {

    private static final String NONE = "-";

    private TextWriter() {}

    static String write(Plan plan) {
        StringBuilder text = new StringBuilder();
        for (Comparison comparison : plan.comparisons()) {
            text.append(comparison.name()).append(": ").append(comparison.shape());
            text.append("\n  MoLAE: ").append(comparison.factorisation()).append('\n');
        }
        text.append(settings(plan)).append("\n\n");
        appendTable(text, table(plan));
        if (!plan.notes().isEmpty()) {
            text.append('\n').append(String.join("\n", plan.notes())).append('\n');
        }
        return text.toString();
    }

    private static String settings(Plan plan) {
        Settings settings = plan.settings();
        boolean models = plan.comparisons().get(0).moe().model().isPresent();
        String line = String.format(
                Locale.ROOT,
                "Bytes in %s; training batch of %,d tokens; decoding batch of %,d",
                settings.precision(),
                settings.tokens(),
                settings.batch());
        return models ? line + String.format(Locale.ROOT, "; context of %,d positions", settings.context()) : line;
    }

    /** Cells; a row of one cell is a heading. */
    private static List<List<String>> table(Plan plan) {
        List<List<String>> table = new ArrayList<>();
        table.add(List.of("", "MoE", "MoLAE", "MoLAE/MoE"));
        String heading = "";
        for (Row row : plan.rows()) {
            if (!plan.heading(row).equals(heading)) {
                heading = plan.heading(row);
                table.add(List.of(heading));
            }
            table.add(List.of(
                    "  " + plan.label(row),
                    row.moe().map(row.unit()::human).orElse(NONE),
                    row.unit().human(row.molae()),
                    row.ratio()
                            .map(ratio -> String.format(Locale.ROOT, "%.3f", ratio))
                            .orElse(NONE)));
        }
        return table;
    }

    private static void appendTable(StringBuilder text, List<List<String>> table) {
        int[] widths = new int[table.get(0).size()];
        for (List<String> cells : table) {
            for (int i = 0; i < cells.size(); i++) {
                widths[i] = Math.max(widths[i], cells.get(i).length());
            }
        }
        for (List<String> cells : table) {
            if (cells.size() == 1) {
                text.append(cells.get(0)).append('\n');
                continue;
            }
            text.append(cells.get(0)).append(" ".repeat(widths[0] - cells.get(0).length()));
            for (int i = 1; i < cells.size(); i++) {
                String cell = cells.get(i);
                text.append("  ").append(" ".repeat(widths[i] - cell.length())).append(cell);
            }
            text.append('\n');
        }
    }
}
