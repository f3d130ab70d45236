package ai.molae.cli.table;

/** Comma-separated values as RFC 4180 has them. */
public final class Csv {

    private Csv() {}

    /**
     * A cell.
     *
     * @param cell its text
     * @return the text, in quotes where it needs them
     */
    public static String quoted(String cell) {
        boolean plain = cell.chars().noneMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r');
        return plain ? cell : '"' + cell.replace("\"", "\"\"") + '"';
    }
}
