package ai.molae.djl.train.metrics;

import ai.molae.djl.chart.Html;
import ai.molae.djl.train.metrics.StepBuckets.Span;
import ai.molae.route.LoadStatistics;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The part of a report about one run's experts: an overview of all layers, and every layer as training went on. */
final class ReportMaps {

    private static final int ROW = 18;
    private static final int LEAST_HEIGHT = 90;
    private static final int MOST_HEIGHT = 230;

    private ReportMaps() {}

    /** What the colours mean. */
    static String scale() {
        return "<div class=scale><span>a quarter of the even share or less</span><img alt=\"\" src=\"" + HeatMap.scale()
                + "\"><span>four times or more</span></div>\n";
    }

    /** All layers over the last tenth of the steps. */
    static String overview(RunCurves run) {
        Collection<LoadHistory> layers = run.layers().values();
        List<long[]> recent = layers.stream().map(LoadHistory::recent).toList();
        int experts = recent.stream().mapToInt(load -> load.length).max().orElse(1);
        StringBuilder rows = new StringBuilder();
        run.layers()
                .keySet()
                .forEach(layer -> rows.append("<span>layer ").append(layer).append("</span>"));
        return "<figure><figcaption><b>All layers</b> <span>experts from left to right, the last tenth of the steps</span>"
                + "</figcaption><div class=map><div class=rows>" + rows + "</div>"
                + image(HeatMap.image(recent, true), ROW * recent.size(), "load of the experts of all layers")
                + "<div class=below><span>expert 0</span><span>" + (experts - 1) + "</span></div></div></figure>\n";
    }

    /** One layer over all steps. */
    static String layer(Map.Entry<Integer, LoadHistory> layer) {
        List<Span<long[]>> columns = layer.getValue().columns();
        long[] recent = layer.getValue().recent();
        LoadStatistics load = new LoadStatistics(recent, 0);
        int experts = recent.length;
        String lately = String.format(
                Locale.ROOT, "lately: imbalance %.2f, idle %d of %d", load.imbalance(), load.idleExperts(), experts);
        return "<figure><figcaption><b>Layer " + layer.getKey() + "</b> <span>" + lately
                + "</span></figcaption><div class=map><div class=side><span>0</span><span>expert</span><span>"
                + (experts - 1) + "</span></div>"
                + image(
                        HeatMap.image(columns.stream().map(Span::value).toList(), false),
                        Math.max(LEAST_HEIGHT, Math.min(MOST_HEIGHT, 2 * experts)),
                        "load of the experts of layer " + layer.getKey() + " by step")
                + "<div class=below><span>step "
                + Html.number((double) columns.get(0).first()) + "</span><span>"
                + Html.number((double) columns.get(columns.size() - 1).last()) + "</span></div></div></figure>\n";
    }

    private static String image(String url, int height, String what) {
        return "<img style=\"height:" + height + "px\" alt=\"" + what + "\" src=\"" + url + "\">";
    }
}
