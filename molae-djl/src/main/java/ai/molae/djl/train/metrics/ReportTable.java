package ai.molae.djl.train.metrics;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.Point;
import ai.molae.djl.train.LmTrainingListener.Step;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** The numbers at the top of a report, a row for each run; columns that no run has anything for are left out. */
final class ReportTable {

    private record Column(String title, Function<RunCurves, String> value) {}

    private static final String UNKNOWN = Html.number(Double.NaN);

    private static final List<Column> COLUMNS = List.of(
            new Column("steps", run -> last(run, step -> (double) step.step())),
            new Column("tokens", run -> last(run, step -> (double) step.tokens())),
            new Column("training loss", run -> loss(run.curve(Quantity.LOSS).recent())),
            new Column("validation loss", run -> loss(validation(run))),
            new Column("perplexity", run -> Html.number(Math.exp(validation(run)))),
            new Column("tokens/s", run -> last(run, Step::tokensPerSecond)),
            new Column("training time", run -> time(run)),
            new Column("FLOPs utilisation", run -> percent(recent(run, Quantity.FLOPS_UTILISATION))),
            new Column(
                    "most memory, GiB",
                    run -> Html.number(run.curve(Quantity.NATIVE_GIB).greatest())),
            new Column("imbalance", run -> recent(run, Quantity.IMBALANCE_MEAN)),
            new Column("idle experts", run -> recent(run, Quantity.IDLE_EXPERTS)),
            new Column("dropped", run -> percent(recent(run, Quantity.DROPPED_SHARE))));

    private ReportTable() {}

    static String of(List<RunCurves> runs) {
        List<Column> columns = COLUMNS.stream()
                .filter(column ->
                        runs.stream().anyMatch(run -> !column.value().apply(run).equals(UNKNOWN)))
                .toList();
        StringBuilder html = new StringBuilder("<div class=scroll><table><thead><tr><th>run</th>");
        columns.forEach(column -> html.append("<th>").append(column.title()).append("</th>"));
        html.append("</tr></thead><tbody>");
        for (RunCurves run : runs) {
            html.append("<tr><td>").append(Html.escape(run.name())).append("</td>");
            columns.forEach(column ->
                    html.append("<td>").append(column.value().apply(run)).append("</td>"));
            html.append("</tr>");
        }
        return html.append("</tbody></table></div>\n").toString();
    }

    private static String last(RunCurves run, Function<Step, Double> value) {
        Step last = run.last();
        return last == null ? UNKNOWN : Html.number(value.apply(last));
    }

    private static String recent(RunCurves run, Quantity quantity) {
        return Html.number(run.curve(quantity).recent());
    }

    private static String loss(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.3f", value) : UNKNOWN;
    }

    private static String percent(String number) {
        return number.equals(UNKNOWN) ? number : number + " %";
    }

    private static double validation(RunCurves run) {
        List<Point> points = run.validation();
        return points.isEmpty() ? Double.NaN : points.get(points.size() - 1).y();
    }

    private static String time(RunCurves run) {
        Step last = run.last();
        if (last == null || !Double.isFinite(last.trainingSeconds())) {
            return UNKNOWN;
        }
        long seconds = Math.round(last.trainingSeconds());
        return seconds < 120
                ? Html.number(last.trainingSeconds()) + " s"
                : seconds < 7200 ? seconds / 60 + " min" : seconds / 3600 + " h " + seconds % 3600 / 60 + " min";
    }
}
