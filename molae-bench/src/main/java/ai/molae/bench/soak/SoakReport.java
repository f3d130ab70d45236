package ai.molae.bench.soak;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.LineChart;
import ai.molae.djl.chart.Page;
import ai.molae.djl.chart.Point;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A run's readings judged, in Markdown and as a page with a chart of each gauge. */
final class SoakReport {

    private static final double MIB = 1 << 20;

    private final List<double[]> rows;
    private final List<String> facts;
    private final Map<Gauge, Trend> perHour = new EnumMap<>(Gauge.class);
    private final Map<Gauge, Trend> perRound = new EnumMap<>(Gauge.class);

    /**
     * Judges.
     *
     * @param rows see {@link Readings#rows}
     * @param facts about the run, one a line
     */
    SoakReport(List<double[]> rows, List<String> facts) {
        this.rows = rows;
        this.facts = List.copyOf(facts);
        if (rows.size() >= 2 * Trend.LEAST_READINGS) {
            for (Gauge gauge : Gauge.values()) {
                double[] values = column(2 + gauge.ordinal());
                perRound.put(gauge, Trend.of(column(0), values, gauge));
                perHour.put(gauge, Trend.of(column(1), values, gauge));
            }
        }
    }

    private double[] column(int column) {
        return rows.stream().mapToDouble(row -> row[column]).toArray();
    }

    /** What grows, by either clock. */
    List<Gauge> growing() {
        return perHour.keySet().stream()
                .filter(gauge -> perHour.get(gauge).grows())
                .toList();
    }

    /** The table and how to read it. */
    String markdown() {
        StringBuilder text = new StringBuilder();
        facts.forEach(fact -> text.append("- ").append(fact).append('\n'));
        if (perHour.isEmpty()) {
            return text.append("\nToo short to be judged: ")
                    .append(rows.size())
                    .append(" rounds, and it takes ")
                    .append(2 * Trend.LEAST_READINGS)
                    .append(".\n")
                    .toString();
        }
        text.append("\n| | first median | last median | slope per hour | per round | rise, tolerated | verdict |\n")
                .append("| --- | ---: | ---: | ---: | ---: | ---: | --- |\n");
        perHour.forEach((gauge, hour) -> {
            Trend round = perRound.get(gauge);
            text.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %s | %s ± %s | %s ± %s | %s, %s | %s |%n",
                    gauge.title(),
                    amount(gauge, hour.firstMedian()),
                    amount(gauge, hour.lastMedian()),
                    number(hour.slope()),
                    number(hour.error()),
                    number(round.slope()),
                    number(round.error()),
                    amount(gauge, hour.rise()),
                    amount(gauge, hour.tolerance()),
                    hour.grows() ? "**grows**" : "flat"));
        });
        return text.append(String.format(
                        Locale.ROOT,
                        "%nJudged is the second half of the rounds. First and last median are those of the first and the last quarter of it; the slope is that of"
                                + " least squares, in bytes or pieces, ± its standard error. What grows has a slope of more than %.0f standard errors, and a line that"
                                + " rises over the half by more than is tolerated.%n",
                        Trend.ERRORS))
                .toString();
    }

    /** The same and the curves. */
    String html() {
        StringBuilder body = new StringBuilder("<pre>" + Html.escape(markdown()) + "</pre>\n<div class=charts>\n");
        for (Gauge gauge : Gauge.values()) {
            List<Point> points = new ArrayList<>();
            for (double[] row : rows) {
                double value = row[2 + gauge.ordinal()];
                if (Double.isFinite(value)) {
                    points.add(new Point((long) row[0], gauge.isBytes() ? value / MIB : value));
                }
            }
            LineChart chart = new LineChart(gauge.title(), gauge.isBytes() ? "MiB" : "", "round", false);
            if (!chart.add("", points, LineChart.Style.LINE, 0).isEmpty()) {
                body.append(chart.figure());
            }
        }
        return Page.html("One process, over and over", body.append("</div>\n").toString());
    }

    /** In MiB, or in pieces. */
    static String amount(Gauge gauge, double value) {
        return gauge.isBytes()
                ? String.format(Locale.ROOT, "%.3f MiB", value / MIB)
                : String.format(Locale.ROOT, "%.1f", value);
    }

    private static String number(double value) {
        return Math.abs(value) >= 100 ? String.format(Locale.ROOT, "%,.0f", value) : Html.number(value);
    }
}
