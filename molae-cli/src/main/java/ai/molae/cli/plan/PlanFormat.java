package ai.molae.cli.plan;

import java.util.Locale;

/** How a plan is written. */
public enum PlanFormat {
    /** Aligned columns and the notes, for people. */
    TEXT,
    /** One line a row, all digits, without the notes. */
    CSV,
    /** Shapes, settings, rows with all digits, and notes. */
    JSON;

    /**
     * Writes a plan.
     *
     * @param plan the plan
     * @return the text, ending in a line break
     */
    public String write(Plan plan) {
        return switch (this) {
            case TEXT -> TextWriter.write(plan);
            case CSV -> CsvWriter.write(plan);
            case JSON -> JsonWriter.write(plan);
        };
    }

    /**
     * Whether the notes are part of what is written.
     *
     * @return false for CSV
     */
    public boolean hasNotes() {
        return this != CSV;
    }

    /** The name as the user writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
