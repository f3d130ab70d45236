package ai.molae.djl.chart;

import static ai.molae.djl.chart.Frame.BOTTOM;
import static ai.molae.djl.chart.Frame.HEIGHT;
import static ai.molae.djl.chart.Frame.LEFT;
import static ai.molae.djl.chart.Frame.RIGHT;
import static ai.molae.djl.chart.Frame.WIDTH;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Amounts side by side, from zero, as an SVG. */
public final class BarChart {

    private static final int TOP = 20;

    /** Names below that fit side by side. */
    private static final int NAMES = 12;

    /** Numbers above bars that fit side by side. */
    private static final int NUMBERS = 10;

    /** The bars of a place. */
    private record Bars(String name, List<Double> values) {}

    private final String title;
    private final String unit;
    private final List<String> series;
    private final List<Bars> places = new ArrayList<>();

    /**
     * An empty chart.
     *
     * @param title what it shows, not HTML
     * @param unit of the values, not HTML
     * @param series what the bars of a place are, from left to right, at most {@link LineChart#COLOURS}; a single one has no legend
     */
    public BarChart(String title, String unit, List<String> series) {
        if (series.isEmpty() || series.size() > LineChart.COLOURS) {
            throw new IllegalArgumentException(
                    "a bar chart has 1 to " + LineChart.COLOURS + " series, got " + series.size());
        }
        this.title = title;
        this.unit = unit;
        this.series = List.copyOf(series);
    }

    /**
     * Adds the bars of a place.
     *
     * @param name what stands below them, not HTML
     * @param values one for each series, not negative; no bar for what is not finite
     * @return this chart
     */
    public BarChart add(String name, double... values) {
        if (values.length != series.size()) {
            throw new IllegalArgumentException(
                    "a place has a value for each of " + series + ", got " + Arrays.toString(values));
        }
        places.add(new Bars(name, Arrays.stream(values).boxed().toList()));
        return this;
    }

    /**
     * Whether there is nothing to see.
     *
     * @return true without any finite value
     */
    public boolean isEmpty() {
        return places.stream().flatMap(bars -> bars.values().stream()).noneMatch(Double::isFinite);
    }

    /**
     * The chart as HTML.
     *
     * @return a figure with title, legend and bars
     */
    public String figure() {
        StringBuilder html = new StringBuilder("<figure><figcaption><b>")
                .append(Html.escape(title))
                .append("</b> <span>")
                .append(Html.escape(unit))
                .append("</span><span class=legend>");
        for (int i = 0; i < series.size() && series.size() > 1; i++) {
            html.append("<i class=c")
                    .append(i)
                    .append('>')
                    .append(Html.escape(series.get(i)))
                    .append("</i>");
        }
        return html.append("</span></figcaption>")
                .append(svg())
                .append("</figure>\n")
                .toString();
    }

    private String svg() {
        double most = places.stream()
                .flatMap(bars -> bars.values().stream())
                .filter(Double::isFinite)
                .max(Double::compare)
                .orElse(0.0);
        Axis y = new Axis(0, most > 0 ? most : 1, false, HEIGHT - BOTTOM, TOP);
        StringBuilder svg = Frame.svg(
                title, title + " in " + unit + ", bars for " + places.size() + " places: " + String.join(", ", series));
        Frame.grid(svg, y);
        for (int i = 0; i < places.size(); i++) {
            draw(svg, i, y);
        }
        Frame.axis(svg);
        return svg.append("</svg>").toString();
    }

    private void draw(StringBuilder svg, int place, Axis y) {
        Bars bars = places.get(place);
        double width = (double) (WIDTH - RIGHT - LEFT) / places.size();
        double left = LEFT + place * width;
        double bar = Math.min(40, 0.8 * width / series.size());
        double first = left + (width - bar * series.size()) / 2;
        int every = (places.size() + NAMES - 1) / NAMES;
        if (place % every == 0) {
            Frame.below(svg, left + width / 2, Html.escape(bars.name()));
        }
        for (int i = 0; i < series.size(); i++) {
            double value = bars.values().get(i);
            if (!Double.isFinite(value)) {
                continue;
            }
            svg.append(String.format(
                    Locale.ROOT,
                    "<rect class=c%d x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%s</title></rect>",
                    i,
                    first + i * bar,
                    y.at(value),
                    bar,
                    y.at(0) - y.at(value),
                    Html.escape((bars.name() + " " + (series.size() > 1 ? series.get(i) : "")).strip() + ": "
                            + Html.number(value))));
            if (places.size() * series.size() <= NUMBERS) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<text class=x x=\"%.1f\" y=\"%.1f\">%s</text>",
                        first + (i + 0.5) * bar,
                        y.at(value) - 5,
                        Html.number(value)));
            }
        }
    }
}
