package ai.molae.cli.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Everything {@code molae plan} says; the formats only write it down. */
public final class Plan {

    private final List<Comparison> comparisons;
    private final Settings settings;
    private final List<Row> rows;
    private final List<String> notes;

    private Plan(List<Comparison> comparisons, Settings settings, List<Row> rows, List<String> notes) {
        this.comparisons = comparisons;
        this.settings = settings;
        this.rows = rows;
        this.notes = notes;
    }

    /**
     * Every quantity of one comparison.
     *
     * @param comparison what to count
     * @param settings what to count it for
     * @return the plan
     * @throws ArithmeticException if a count exceeds a {@code long}
     */
    public static Plan of(Comparison comparison, Settings settings) {
        return new Plan(
                List.of(comparison), settings, new Rows(comparison, settings).all(), Notes.of(comparison, settings));
    }

    /**
     * The main quantities of several comparisons, quantity by quantity.
     *
     * @param comparisons what to count
     * @param settings what to count it for
     * @return the plan
     * @throws ArithmeticException if a count exceeds a {@code long}
     */
    public static Plan overview(List<Comparison> comparisons, Settings settings) {
        List<Row> rows = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        for (Comparison comparison : comparisons) {
            rows.addAll(new Rows(comparison, settings).overview());
            Notes.verdict(comparison, settings).ifPresent(notes::add);
        }
        List<String> order = rows.stream().map(Plan::quantity).distinct().toList();
        rows.sort(Comparator.comparingInt(row -> order.indexOf(quantity(row))));
        return new Plan(List.copyOf(comparisons), settings, List.copyOf(rows), List.copyOf(notes));
    }

    private static String quantity(Row row) {
        return row.section() + ": " + row.name();
    }

    /** The heading a row stands under: its section, or in an overview its quantity. */
    String heading(Row row) {
        return comparisons.size() == 1 ? row.section() : quantity(row);
    }

    /** A row's label under its heading: its name, or in an overview its subject. */
    String label(Row row) {
        return comparisons.size() == 1 ? row.name() : row.subject();
    }

    List<Comparison> comparisons() {
        return comparisons;
    }

    Settings settings() {
        return settings;
    }

    /**
     * The rows, in the order of printing.
     *
     * @return the rows
     */
    public List<Row> rows() {
        return rows;
    }

    /**
     * The sentences under the rows.
     *
     * @return the sentences
     */
    public List<String> notes() {
        return notes;
    }
}
