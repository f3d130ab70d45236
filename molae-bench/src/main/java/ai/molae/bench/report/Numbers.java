package ai.molae.bench.report;

import ai.molae.bench.results.Quartiles;
import ai.molae.djl.chart.Html;
import java.util.Locale;

/** Numbers as people read them. */
final class Numbers {

    private static final String[] BYTES = {"B", "KiB", "MiB", "GiB", "TiB"};

    private Numbers() {}

    static String number(double value) {
        return Html.number(value);
    }

    /** Binary units, three digits or more. */
    static String bytes(double value) {
        if (!Double.isFinite(value)) {
            return Table.UNKNOWN;
        }
        int unit = 0;
        double scaled = value;
        while (Math.abs(scaled) >= 1024 && unit < BYTES.length - 1) {
            scaled /= 1024;
            unit++;
        }
        return String.format(
                Locale.ROOT,
                scaled < 10 && unit > 0 ? "%.2f %s" : scaled < 100 && unit > 0 ? "%.1f %s" : "%.0f %s",
                scaled,
                BYTES[unit]);
    }

    static double mebibytes(double bytes) {
        return bytes / (1 << 20);
    }

    static String ratio(double value) {
        return Double.isFinite(value)
                ? String.format(Locale.ROOT, value < 100 ? "%.2f×" : "%.0f×", value)
                : Table.UNKNOWN;
    }

    static String percent(double share) {
        return Double.isFinite(share) ? String.format(Locale.ROOT, "%.1f %%", 100 * share) : Table.UNKNOWN;
    }

    /** Half the distance of the quartiles beside their median. */
    static String spread(Quartiles quartiles) {
        double half = quartiles.spread();
        return Double.isFinite(half) ? String.format(Locale.ROOT, "±%.1f %%", 100 * half) : Table.UNKNOWN;
    }
}
