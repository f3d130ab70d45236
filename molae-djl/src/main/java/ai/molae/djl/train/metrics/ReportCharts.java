package ai.molae.djl.train.metrics;

import ai.molae.djl.chart.LineChart;
import ai.molae.djl.chart.LineChart.Style;
import ai.molae.djl.chart.Point;
import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.train.LmTrainingListener.Step;
import java.util.List;
import java.util.stream.Stream;

/** The curves of a report: those that any run has something for. */
final class ReportCharts {

    private final List<RunCurves> runs;

    ReportCharts(List<RunCurves> runs) {
        this.runs = runs;
    }

    Stream<String> figures() {
        return Stream.of(
                        loss(),
                        smoothed("Gradient norm", "before clipping", true, Quantity.GRADIENT_NORM),
                        plain("Learning rate", "", Quantity.LEARNING_RATE),
                        smoothed("Speed", "tokens per second", false, Quantity.TOKENS_PER_SECOND),
                        smoothed(
                                "Model FLOPs utilisation", "% of the measured peak", false, Quantity.FLOPS_UTILISATION),
                        plain("Native memory", "GiB after a step", Quantity.NATIVE_GIB),
                        smoothed("Auxiliary loss", "with its coefficients", false, Quantity.AUX_LOSS),
                        smoothed("Balance loss", "mean over the layers", false, Quantity.BALANCE_LOSS),
                        smoothed("Router z-loss", "mean over the layers", false, Quantity.Z_LOSS),
                        entropy(),
                        imbalance(),
                        smoothed("Idle experts", "of all layers", false, Quantity.IDLE_EXPERTS),
                        dropped())
                .filter(chart -> !chart.isEmpty())
                .map(LineChart::figure);
    }

    private int colour(int run) {
        return run % LineChart.COLOURS;
    }

    /** The name of a run among several; a curve of the only run needs another name, or none. */
    private String name(int run, String ofOnlyRun) {
        return runs.size() > 1 ? runs.get(run).name() : ofOnlyRun;
    }

    private LineChart loss() {
        LineChart chart = new LineChart("Loss", "nats per token", "step", false);
        for (int i = 0; i < runs.size(); i++) {
            chart.add("", runs.get(i).curve(Quantity.LOSS).points(), Style.RAW, colour(i));
        }
        for (int i = 0; i < runs.size(); i++) {
            chart.add(
                    name(i, "training, smoothed"),
                    runs.get(i).curve(Quantity.LOSS).smoothed(),
                    Style.LINE,
                    colour(i));
            int other = runs.size() > 1 ? colour(i) : 1;
            chart.add(runs.size() == 1 ? "validation" : "", runs.get(i).validation(), Style.DOTS, other);
        }
        return chart;
    }

    private LineChart plain(String title, String unit, Quantity quantity) {
        LineChart chart = new LineChart(title, unit, "step", false);
        for (int i = 0; i < runs.size(); i++) {
            chart.add(name(i, ""), runs.get(i).curve(quantity).points(), Style.LINE, colour(i));
        }
        return chart;
    }

    private LineChart smoothed(String title, String unit, boolean logarithmic, Quantity quantity) {
        LineChart chart = new LineChart(title, unit, "step", logarithmic);
        for (int i = 0; i < runs.size(); i++) {
            chart.add("", runs.get(i).curve(quantity).points(), Style.RAW, colour(i));
        }
        for (int i = 0; i < runs.size(); i++) {
            chart.add(name(i, ""), runs.get(i).curve(quantity).smoothed(), Style.LINE, colour(i));
        }
        return chart;
    }

    private LineChart entropy() {
        LineChart chart = new LineChart("Router entropy", "nats per token", "step", false);
        for (int i = 0; i < runs.size(); i++) {
            RunCurves run = runs.get(i);
            chart.add(
                    name(i, "mean over the layers"),
                    run.curve(Quantity.ENTROPY_MEAN).smoothed(),
                    Style.LINE,
                    colour(i));
            if (runs.size() == 1) {
                chart.add(
                        "least and greatest layer",
                        run.curve(Quantity.ENTROPY_LEAST).smoothed(),
                        Style.RAW,
                        0);
                chart.add("", run.curve(Quantity.ENTROPY_GREATEST).smoothed(), Style.RAW, 0);
                undecided(chart, run);
            }
        }
        return chart;
    }

    /** The most that is possible, if all layers have the same number of experts. */
    private static void undecided(LineChart chart, RunCurves run) {
        Step last = run.last();
        Curve mean = run.curve(Quantity.ENTROPY_MEAN);
        if (last == null || mean.isEmpty()) {
            return;
        }
        List<Integer> experts = last.routing().stream()
                .map(LayerRouting::load)
                .map(load -> load.tokensPerExpert().length)
                .distinct()
                .toList();
        if (experts.size() == 1) {
            List<Point> points = mean.points();
            double most = Math.log(experts.get(0));
            chart.add(
                    "ln " + experts.get(0) + ", undecided",
                    List.of(
                            new Point(points.get(0).x(), most),
                            new Point(points.get(points.size() - 1).x(), most)),
                    Style.BOUND,
                    1);
        }
    }

    private LineChart imbalance() {
        LineChart chart = new LineChart("Imbalance", "busiest expert, times the mean", "step", false);
        for (int i = 0; i < runs.size(); i++) {
            RunCurves run = runs.get(i);
            chart.add("", run.curve(Quantity.IMBALANCE_WORST).points(), Style.RAW, runs.size() > 1 ? colour(i) : 1);
            chart.add(
                    name(i, "mean over the layers"),
                    run.curve(Quantity.IMBALANCE_MEAN).smoothed(),
                    Style.LINE,
                    colour(i));
            if (runs.size() == 1) {
                chart.add("worst layer", run.curve(Quantity.IMBALANCE_WORST).smoothed(), Style.LINE, 1);
            }
        }
        return chart;
    }

    /** Without a drop there is nothing to see; the summary says so. */
    private LineChart dropped() {
        boolean any =
                runs.stream().anyMatch(run -> run.curve(Quantity.DROPPED_SHARE).greatest() > 0);
        return any
                ? smoothed("Dropped tokens", "% of the routed choices", false, Quantity.DROPPED_SHARE)
                : new LineChart("", "", "step", false);
    }
}
