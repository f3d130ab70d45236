package ai.molae.cli.table;

import java.util.Locale;

/** The unit of a row, and how people read its numbers. */
public enum Unit {
    /** Things counted one by one; expectations may have a fraction. */
    COUNT("count", "", false),
    /** Floating-point operations, a multiply-add being 2. */
    FLOP("FLOP", "FLOP", true),
    /** Bytes; kB, MB, … are powers of 1000, as memory bandwidth is given. */
    BYTE("byte", "B", true),
    /** Seconds. */
    SECOND("second", "s", true),
    /** Cross-entropy. */
    NAT("nat per token", "", false);

    private static final String[] LARGE = {"", "k", "M", "G", "T", "P", "E"};
    private static final String[] SMALL = {"", "m", "µ", "n", "p"};

    private final String label;
    private final String symbol;
    private final boolean prefixed;

    Unit(String label, String symbol, boolean prefixed) {
        this.label = label;
        this.symbol = symbol;
        this.prefixed = prefixed;
    }

    /**
     * Its name in CSV and JSON.
     *
     * @return a word or two
     */
    public String label() {
        return label;
    }

    /**
     * A number of this unit for people.
     *
     * @param number the number
     * @return four digits and a prefix, or, of things counted, all digits
     */
    public String human(Number number) {
        double value = number.doubleValue();
        if (prefixed) {
            return prefixed(value);
        }
        if (this == NAT) {
            return String.format(Locale.ROOT, "%.4f", value);
        }
        if (number instanceof Long whole) {
            return String.format(Locale.ROOT, "%,d", whole);
        }
        return String.format(Locale.ROOT, Math.abs(value) < 1000 ? "%.2f" : "%,.0f", value);
    }

    private String prefixed(double value) {
        double scaled = value;
        int power = 0;
        // 999.95 would print as 1000.
        while (scaled >= 999.95 && power < LARGE.length - 1) {
            scaled /= 1000;
            power++;
        }
        while (this == SECOND && scaled > 0 && scaled < 0.99995 && -power < SMALL.length - 1) {
            scaled *= 1000;
            power--;
        }
        boolean whole = power == 0 && scaled == Math.rint(scaled);
        String digits = whole ? "%.0f" : scaled < 9.9995 ? "%.3f" : scaled < 99.995 ? "%.2f" : "%.1f";
        String prefix = power >= 0 ? LARGE[power] : SMALL[-power];
        return String.format(Locale.ROOT, digits, scaled) + " " + prefix + symbol;
    }
}
