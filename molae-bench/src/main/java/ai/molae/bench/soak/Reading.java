package ai.molae.bench.soak;

import java.math.BigDecimal;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;

/**
 * What the gauges showed after a round.
 *
 * @param round how many rounds were done
 * @param hours since the start
 * @param values of all gauges, NaN where one told nothing
 */
record Reading(long round, double hours, Map<Gauge, Double> values) {

    Reading {
        values = Collections.unmodifiableMap(new EnumMap<>(values));
    }

    /** What a gauge showed. */
    double of(Gauge gauge) {
        return values.getOrDefault(gauge, Double.NaN);
    }

    /** Round, hours and the gauges in their order, separated by commas; nothing for a NaN. */
    String line() {
        StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%d,%.6f", round, hours));
        for (Gauge gauge : Gauge.values()) {
            double value = of(gauge);
            line.append(',').append(Double.isFinite(value) ? new BigDecimal(value).toPlainString() : "");
        }
        return line.toString();
    }

    /** A reading from its line. */
    static Reading parse(String line) {
        String[] cells = line.split(",", -1);
        Map<Gauge, Double> values = new EnumMap<>(Gauge.class);
        int cell = 2;
        for (Gauge gauge : Gauge.values()) {
            values.put(gauge, cells[cell].isEmpty() ? Double.NaN : Double.parseDouble(cells[cell]));
            cell++;
        }
        return new Reading(Long.parseLong(cells[0]), Double.parseDouble(cells[1]), values);
    }
}
