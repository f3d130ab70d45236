package ai.molae.djl.train.metrics;

import ai.molae.djl.chart.Html;
import ai.molae.djl.chart.LoadMap;
import ai.molae.djl.train.metrics.StepBuckets.Span;
import ai.molae.route.LoadStatistics;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The part of a report about one run's experts: an overview of all layers, and every layer as training went on. */
final class ReportMaps {

    private ReportMaps() {}

    /** All layers over the last tenth of the steps. */
    static String overview(RunCurves run) {
        return LoadMap.rows(
                "All layers",
                "experts from left to right, the last tenth of the steps",
                "load of the experts of all layers",
                run.layers().entrySet().stream()
                        .map(layer -> new LoadMap.Row(
                                "layer " + layer.getKey(), layer.getValue().recent()))
                        .toList());
    }

    /** One layer over all steps. */
    static String layer(Map.Entry<Integer, LoadHistory> layer) {
        List<Span<long[]>> columns = layer.getValue().columns();
        long[] recent = layer.getValue().recent();
        LoadStatistics load = new LoadStatistics(recent, 0);
        return LoadMap.columns(
                "Layer " + layer.getKey(),
                String.format(
                        Locale.ROOT,
                        "lately: imbalance %.2f, idle %d of %d",
                        load.imbalance(),
                        load.idleExperts(),
                        recent.length),
                "load of the experts of layer " + layer.getKey() + " by step",
                columns.stream().map(Span::value).toList(),
                "step " + Html.number((double) columns.get(0).first()),
                Html.number((double) columns.get(columns.size() - 1).last()));
    }
}
