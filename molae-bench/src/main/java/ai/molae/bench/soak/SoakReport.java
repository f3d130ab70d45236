package ai.molae.bench.soak;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.LineChart;
import ai.molae.djl.chart.Page;
import ai.molae.djl.chart.Point;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** A run's readings judged, in Markdown and as a page with a chart of each gauge. */
final class SoakReport {

    private static final double MIB = 1 << 20;

    /** A gauge by both clocks. */
    private record Judged(Gauge gauge, Trend perHour, Trend perRound) {}

    private final List<Reading> readings;
    private final List<String> facts;
    private final List<Judged> judged = new ArrayList<>();

    /**
     * Judges.
     *
     * @param readings of all rounds
     * @param facts about the run, one a line
     */
    SoakReport(List<Reading> readings, List<String> facts) {
        this.readings = List.copyOf(readings);
        this.facts = List.copyOf(facts);
        if (readings.size() >= 2 * Trend.LEAST_READINGS) {
            double[] hours = column(Reading::hours);
            double[] rounds = column(Reading::round);
            for (Gauge gauge : Gauge.values()) {
                double[] values = column(reading -> reading.of(gauge));
                judged.add(new Judged(gauge, Trend.of(hours, values, gauge), Trend.of(rounds, values, gauge)));
            }
        }
    }

    private double[] column(ToDoubleFunction<Reading> of) {
        return readings.stream().mapToDouble(of).toArray();
    }

    /** What grows. */
    List<Gauge> growing() {
        return judged.stream()
                .filter(one -> one.perRound().grows())
                .map(Judged::gauge)
                .toList();
    }

    /** The table and how to read it. */
    String markdown() {
        StringBuilder text = new StringBuilder();
        facts.forEach(fact -> text.append("- ").append(fact).append('\n'));
        if (judged.isEmpty()) {
            return text.append("\nToo short to be judged: ")
                    .append(readings.size())
                    .append(" rounds, and it takes ")
                    .append(2 * Trend.LEAST_READINGS)
                    .append(".\n")
                    .toString();
        }
        text.append("\n| | first median | last median | slope per hour | per round | rise, tolerated | verdict |\n")
                .append("| --- | ---: | ---: | ---: | ---: | ---: | --- |\n");
        for (Judged one : judged) {
            Gauge gauge = one.gauge();
            Trend hour = one.perHour();
            Trend round = one.perRound();
            text.append(String.format(
                    Locale.ROOT,
                    "| %s | %s | %s | %s ± %s | %s ± %s | %s, %s | %s |%n",
                    gauge.title(),
                    amount(gauge, round.firstMedian()),
                    amount(gauge, round.lastMedian()),
                    number(hour.slope()),
                    number(hour.error()),
                    number(round.slope()),
                    number(round.error()),
                    amount(gauge, round.rise()),
                    amount(gauge, round.tolerance()),
                    round.grows() ? "**grows**" : "flat"));
        }
        return text.append(String.format(
                        Locale.ROOT,
                        "%nJudged is the second half of the rounds. First and last median are those of the first and the last quarter of it; the slope is that of"
                                + " least squares, in bytes or pieces, ± its standard error, widened for readings that follow each other. What grows has a line that rises"
                                + " over the half by more than is tolerated; of memory, whose readings scatter, the slope must be more than %.0f standard errors as well.%n",
                        Trend.ERRORS))
                .toString();
    }

    /** The same and the curves. */
    String html() {
        StringBuilder body = new StringBuilder("<pre>" + Html.escape(markdown()) + "</pre>\n<div class=charts>\n");
        for (Gauge gauge : Gauge.values()) {
            List<Point> points = new ArrayList<>();
            for (Reading reading : readings) {
                double value = reading.of(gauge);
                if (Double.isFinite(value)) {
                    points.add(new Point(reading.round(), gauge.isBytes() ? value / MIB : value));
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
