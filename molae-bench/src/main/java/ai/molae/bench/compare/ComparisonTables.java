package ai.molae.bench.compare;

import ai.molae.bench.compare.Change.Verdict;
import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** A comparison for people and programs. */
public final class ComparisonTables {

    private ComparisonTables() {}

    /**
     * What changed, and what all groups did.
     *
     * @param comparison the comparison
     * @param everything whether every trial is listed, not only those that changed
     * @return regressions, improvements, groups, the machine's ceilings in each group, and if asked for all trials
     */
    public static List<Table> of(Comparison comparison, boolean everything) {
        List<Table> tables = new ArrayList<>();
        tables.add(table("regressions", comparison.changes(Verdict.REGRESSION)));
        tables.add(table("improvements", comparison.changes(Verdict.IMPROVEMENT)));
        tables.add(table("groups", comparison.groups()));
        tables.add(table("ceilings", comparison.ceilings()));
        if (everything) {
            tables.add(table("trials", comparison.trials()));
        }
        return tables;
    }

    /**
     * Sentences about the whole.
     *
     * @param comparison the comparison
     * @return the verdict, what only one of the runs has, and how small a change could have been found
     */
    public static List<String> notes(Comparison comparison) {
        List<String> notes = new ArrayList<>();
        int regressions = comparison.changes(Verdict.REGRESSION).size();
        Optional<Slower> slower = comparison.slower();
        if (regressions > 0) {
            notes.add(regressions + (regressions == 1 ? " regression." : " regressions.")
                    + " Run both again, in turns, before believing it of a single trial.");
        } else if (slower.isEmpty() && !comparison.isIncomplete()) {
            notes.add("No regression.");
        }
        slower.ifPresent(trials -> notes.add(note(trials)));
        if (!comparison.onlyBefore().isEmpty()) {
            notes.add((comparison.isIncomplete()
                            ? "Regression: the second run lacks (--partial allows it): "
                            : "Only the first run has: ")
                    + String.join("; ", comparison.onlyBefore()));
        }
        if (!comparison.onlyAfter().isEmpty()) {
            notes.add("Only the second run has: " + String.join("; ", comparison.onlyAfter()));
        }
        comparison.resolutions().forEach(resolution -> notes.add(note(resolution)));
        return notes;
    }

    private static String note(Slower slower) {
        int trials = slower.trials().size();
        return trials + (trials == 1 ? " trial" : " trials")
                + " took longer, but not measured by the ceilings in the same processes: slower machine or slower kernels: products "
                + percent(slower.products() - 1) + ", reading " + percent(slower.reading() - 1)
                + ". Run both again, in turns: a machine recovers, a kernel does not.";
    }

    private static String note(Resolution resolution) {
        String group = resolution.largestGroup() == 0
                ? "no group has three trials"
                : "the largest group, " + resolution.largestGroup() + " trials, from " + percent(resolution.group());
        return "Smallest change marked, " + resolution.quantity().title() + ": "
                + (resolution.quantity().isCeiling() ? "" : "a single trial from " + percent(resolution.trial()) + ", ")
                + group + " (noise " + (resolution.assumed() ? "taken for " : "")
                + String.format(Locale.ROOT, "%.1f %%", 100 * resolution.noise()) + ")"
                + (resolution.quantity().negligible() == 0
                        ? "."
                        : String.format(
                                Locale.ROOT,
                                "; %.0f MiB or less is never marked.",
                                resolution.quantity().negligible() / 0x1p20));
    }

    private static String percent(double change) {
        return Double.isNaN(change) ? "unknown" : String.format(Locale.ROOT, "%+.1f %%", 100 * change);
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
