package ai.molae.cli.table;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Rows of equal columns. The first column names the row.
 *
 * @param title what it is about
 * @param columns the names of the columns
 * @param rows as many cells as columns each
 * @param properties whether it is a list of names and values, which JSON writes as one object
 */
public record Table(String title, List<String> columns, List<List<Cell>> rows, boolean properties) {

    /**
     * Copies and checks the rows.
     *
     * @param title what it is about
     * @param columns the names of the columns
     * @param rows as many cells as columns each
     * @param properties whether it is a list of names and values
     * @throws IllegalArgumentException if a row has another number of cells
     */
    public Table {
        columns = List.copyOf(columns);
        rows = rows.stream().map(List::copyOf).toList();
        for (List<Cell> row : rows) {
            if (row.size() != columns.size()) {
                throw new IllegalArgumentException(
                        "the table " + title + " has the columns " + columns + ", but a row " + row);
            }
        }
    }

    /**
     * A table to fill.
     *
     * @param title what it is about
     * @param columns the names of the columns
     * @return a builder without rows
     */
    public static Builder of(String title, String... columns) {
        return new Builder(title, List.of(columns), false);
    }

    /**
     * A list of names and values to fill.
     *
     * @param title what it is about
     * @return a builder without rows
     */
    public static Builder properties(String title) {
        return new Builder(title, List.of("", "value"), true);
    }

    /** A name as programs have it: {@code bits per byte} is {@code bits_per_byte}. */
    static String key(String name) {
        return name.strip()
                .toLowerCase(Locale.ROOT)
                .replaceAll("[^a-z0-9]+", "_")
                .replaceAll("^_|_$", "");
    }

    /** Fills a {@link Table}. */
    public static final class Builder {
        private final String title;
        private final List<String> columns;
        private final boolean properties;
        private final List<List<Cell>> rows = new ArrayList<>();

        private Builder(String title, List<String> columns, boolean properties) {
            this.title = title;
            this.columns = columns;
            this.properties = properties;
        }

        /**
         * Adds a row.
         *
         * @param name its name
         * @param cells the other columns
         * @return this builder
         */
        public Builder row(String name, Cell... cells) {
            return row(Cell.text(name), cells);
        }

        /**
         * Adds a row.
         *
         * @param first the first column
         * @param cells the other columns
         * @return this builder
         */
        public Builder row(Cell first, Cell... cells) {
            List<Cell> row = new ArrayList<>(List.of(first));
            row.addAll(List.of(cells));
            rows.add(row);
            return this;
        }

        /**
         * The table.
         *
         * @return the table
         */
        public Table build() {
            return new Table(title, columns, rows, properties);
        }
    }
}
