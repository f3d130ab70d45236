package ai.molae.bench.compare;

import ai.molae.bench.compare.Change.Verdict;
import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A comparison for people and programs. */
public final class ComparisonTables {

    private ComparisonTables() {}

    /**
     * What changed, and what all groups did.
     *
     * @param comparison the comparison
     * @param everything whether every trial is listed, not only those that changed
     * @return regressions, improvements, groups, and if asked for all trials
     */
    public static List<Table> of(Comparison comparison, boolean everything) {
        List<Table> tables = new ArrayList<>();
        tables.add(table("regressions", comparison.changes(Verdict.REGRESSION)));
        tables.add(table("improvements", comparison.changes(Verdict.IMPROVEMENT)));
        tables.add(table("groups", comparison.groups()));
        if (everything) {
            tables.add(table("trials", comparison.trials()));
        }
        return tables;
    }

    /**
     * Sentences about the whole.
     *
     * @param comparison the comparison
     * @return the verdict, and what only one of the runs has
     */
    public static List<String> notes(Comparison comparison) {
        List<String> notes = new ArrayList<>();
        int regressions = comparison.changes(Verdict.REGRESSION).size();
        notes.add(
                regressions == 0
                        ? "No regression."
                        : regressions + (regressions == 1 ? " regression." : " regressions.")
                                + " Run both again, in turns, before believing it of a single trial.");
        if (!comparison.onlyBefore().isEmpty()) {
            notes.add("Only the first run has: " + String.join("; ", comparison.onlyBefore()));
        }
        if (!comparison.onlyAfter().isEmpty()) {
            notes.add("Only the second run has: " + String.join("; ", comparison.onlyAfter()));
        }
        return notes;
    }

    private static Table table(String title, List<Change> changes) {
        Table.Builder table = Table.of(
                title, "what", "quantity", "before", "after", "unit", "ratio", "at least", "at most", "verdict");
        for (Change change : changes) {
            table.row(
                    change.name(),
                    Cell.text(change.quantity().title()),
                    Cell.number(change.before(), digits(change)),
                    Cell.number(change.after(), digits(change)),
                    Cell.text(change.quantity().unit()),
                    Cell.number(change.ratio(), 3),
                    Cell.number(change.low(), 3),
                    Cell.number(change.high(), 3),
                    Cell.text(change.verdict().name().toLowerCase(Locale.ROOT)));
        }
        return table.build();
    }

    private static int digits(Change change) {
        return change.quantity() == Quantity.TIME ? 3 : 0;
    }
}
